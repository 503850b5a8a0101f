"""Stripe's test cards and the results of charging them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A test card. `decline` is the code of a failed charge; None if charges succeed."""

    last4: str
    label: str
    decline: str | None = None
    message: str = "Your card was declined."

    @property
    def fingerprint(self) -> str:
        """Return what identifies the card, as at Stripe."""
        return f"sandboxCard{self.last4}"


GOOD = Card("4242", "Visa 4242: payments succeed")
DECLINING = Card("0341", "Visa 0341: payments are declined", "card_declined")
INSUFFICIENT = Card("9995", "Visa 9995: insufficient funds", "insufficient_funds", "Your card has insufficient funds.")
UNAUTHENTICATED = Card(
    "3184",
    "Visa 3184: 3-D Secure fails",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

CARDS = {card.last4: card for card in (GOOD, DECLINING, INSUFFICIENT, UNAUTHENTICATED)}
