"""The JSON of the contract for payments: what comes in, what goes out."""

from typing import Annotated, Any

from cv_common.body import RequestBody
from cv_common.fields import Choice, Integer, PrimaryKey, Text, invalid
from pydantic import BaseModel

from cv_payments.domain.offers import PaymentType
from cv_payments.domain.return_urls import origin


class ReturnUrl(Text):
    """An absolute http(s) URL, kept to the letter: `{CHECKOUT_SESSION_ID}` in it is for Stripe to fill in.

    Whether its origin is allowed is the action's to say.
    """

    def parse(self, value: Any) -> str:
        url = super().parse(value)
        if origin(url) is None:
            raise invalid("Enter a valid URL.")
        return url

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "format": "uri"}


class CheckoutBody(RequestBody):
    """What somebody wants to buy, and where they return to. `resume_id` is for `single` only."""

    payment_type: Annotated[PaymentType, Choice("single", "monthly", "yearly")]
    resume_id: Annotated[int | None, Integer(null=True)] = None
    success_url: Annotated[str, ReturnUrl(2000)]
    cancel_url: Annotated[str, ReturnUrl(2000)]


class CheckoutUrl(BaseModel):
    """Where to send the buyer."""

    url: str


class WebhookReceived(BaseModel):
    """What Stripe is told."""

    status: str


class ClaimBody(RequestBody):
    """The account that an anonymous session's purchases go to."""

    user_id: Annotated[int, PrimaryKey()]
