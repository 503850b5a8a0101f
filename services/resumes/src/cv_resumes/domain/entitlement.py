"""What was paid, and what that means for a PDF."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

PaymentType = Literal["free", "single", "subscription"]


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What was paid for one resume, at one moment."""

    bought: bool
    subscribed: bool

    @property
    def is_paid(self) -> bool:
        return self.bought or self.subscribed

    @property
    def payment_type(self) -> PaymentType:
        if self.bought:
            return "single"
        return "subscription" if self.subscribed else "free"

    def needs_watermark(self, premium_template: bool) -> bool:
        """A PDF is watermarked only when its template is premium and nothing was paid."""
        return premium_template and not self.is_paid


def entitlement(bought: bool | None, entitled_until: datetime | None, now: datetime) -> Entitlement:
    """The entitlement from what payments last told us; never stored, because time alone changes it."""
    return Entitlement(bought=bool(bought), subscribed=entitled_until is not None and now < entitled_until)
