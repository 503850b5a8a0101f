"""What is paid for a resume, and whether its PDF needs a watermark."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from typing_extensions import TypeAliasType

ResumePaymentType = TypeAliasType("ResumePaymentType", Literal["free", "single", "subscription"])


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What is paid for one resume, at one moment."""

    bought: bool
    subscribed: bool

    @property
    def is_paid(self) -> bool:
        return self.bought or self.subscribed

    @property
    def payment_type(self) -> ResumePaymentType:
        if self.bought:
            return "single"
        return "subscription" if self.subscribed else "free"

    def needs_watermark(self, template_is_premium: bool) -> bool:
        """Return whether a PDF needs a watermark: its template is premium and nothing is paid."""
        return template_is_premium and not self.is_paid


def entitlement(bought: bool | None, entitled_until: datetime | None, now: datetime) -> Entitlement:
    """Return the entitlement at `now`. It is never stored, because a subscription ends by the clock."""
    return Entitlement(bought=bool(bought), subscribed=entitled_until is not None and now < entitled_until)
