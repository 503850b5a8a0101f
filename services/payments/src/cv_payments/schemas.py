"""The API's JSON for payments: request bodies, response models, serialization."""

import string
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from cv_common.drf.body import RequestBody
from cv_common.drf.fields import MAX_INTEGER, Choice, Integer, Text, invalid
from pydantic import AnyUrl, BaseModel, Field

from cv_payments.domain import checkouts, payments, subscriptions
from cv_payments.domain.offers import PaymentType, SubscriptionType
from cv_payments.domain.payments import PaymentStatus
from cv_payments.domain.return_urls import origin
from cv_payments.domain.subscriptions import SubscriptionStatus


class ReturnUrl(Text):
    """An absolute http(s) URL. Stripe replaces `{CHECKOUT_SESSION_ID}` in it.

    Non-ASCII characters are percent-encoded, as in browsers. The action checks the origin.
    """

    wrong_type = "Enter a valid URL."

    def parse(self, value: Any) -> str:
        url = super().parse(value)
        if origin(url) is None:
            raise invalid(self.wrong_type)
        return super().parse(quote(url, safe=string.punctuation))  # the limit applies to what Stripe gets

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "format": "uri"}


class CheckoutBody(RequestBody):
    """What to buy, and the pages to return to. `resume_id` is for `single` only."""

    payment_type: Annotated[PaymentType, Choice("single", "monthly", "yearly")]
    resume_id: Annotated[int | None, Integer(minimum=-MAX_INTEGER, null=True)] = None
    success_url: Annotated[str, ReturnUrl(2000)]
    cancel_url: Annotated[str, ReturnUrl(2000)]


class PortalBody(RequestBody):
    """The page to return to from the billing portal."""

    return_url: Annotated[str, ReturnUrl(2000)]


class Url(BaseModel):
    """The page to send the buyer to."""

    url: AnyUrl


class WebhookReceived(BaseModel):
    """The answer to Stripe."""

    status: Literal["success"]


_IS_DISPUTED = "The cardholder's bank holds the money back during a dispute. Absent from other payments."


class Payment(BaseModel):
    """A payment. Amounts are decimal strings (`"4.99"`); `amount_refunded` is the part that was refunded."""

    id: int
    payment_type: PaymentType
    resume_id: int | None
    status: PaymentStatus
    amount: str
    amount_refunded: str
    currency: str
    receipt_url: AnyUrl | None
    created_at: datetime
    is_disputed: Annotated[bool, Field(default=False, description=_IS_DISPUTED)]


class SubscriptionSummary(BaseModel):
    """The caller's subscription. A canceled one gives access until `subscription_end_date`."""

    subscription_type: SubscriptionType | None
    status: SubscriptionStatus
    subscription_end_date: datetime | None
    is_entitled: bool
    will_renew: bool


class Checkout(BaseModel):
    """A checkout. `id` is what Stripe puts in the place of `{CHECKOUT_SESSION_ID}`; `status` is its payment's."""

    id: str
    payment_type: PaymentType
    resume_id: int | None
    status: PaymentStatus


def serialize_payment(payment: payments.Payment) -> dict[str, object]:
    """Return the JSON of a payment."""
    body: dict[str, object] = {
        "id": payment.id,
        "payment_type": payment.payment_type,
        "resume_id": payment.resume_id,
        "status": payment.status,
        "amount": _decimal(payment.amount),
        "amount_refunded": _decimal(payment.amount_refunded),
        "currency": payment.currency.upper(),
        "receipt_url": payment.receipt_url,
        "created_at": payment.created_at,
    }
    return body | {"is_disputed": True} if payment.is_suspended else body


def serialize_subscription(summary: subscriptions.SubscriptionSummary, now: datetime) -> dict[str, object]:
    """Return the JSON of an owner's subscriptions at the time `now`."""
    return {
        "subscription_type": summary.subscription_type,
        "status": summary.status,
        "subscription_end_date": summary.subscription_end_date,
        "is_entitled": summary.entitled_until is not None and now < summary.entitled_until,
        "will_renew": summary.will_renew,
    }


def serialize_checkout(checkout: checkouts.Checkout, status: PaymentStatus) -> dict[str, object]:
    """Return the JSON of a checkout and its payment's status."""
    return {
        "id": checkout.stripe_session_id,
        "payment_type": checkout.payment_type,
        "resume_id": checkout.resume_id,
        "status": status,
    }


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
