"""The JSON of the contract for payments: what comes in, what goes out."""

import string
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from cv_common.drf.body import RequestBody
from cv_common.drf.fields import MAX_INTEGER, Choice, Integer, Text, invalid
from cv_common.kernel.identity import MAX_ID
from pydantic import AnyUrl, BaseModel, Field

from cv_payments.domain.checkouts import Checkout
from cv_payments.domain.offers import PaymentType, SubscriptionType
from cv_payments.domain.payments import Payment, PaymentStatus
from cv_payments.domain.return_urls import origin
from cv_payments.domain.subscriptions import Standing, SubscriptionStatus


class ReturnUrl(Text):
    """An absolute http(s) URL: `{CHECKOUT_SESSION_ID}` in it is for Stripe to fill in.

    Kept to the letter, but for letters that are not ASCII: those are percent-encoded, as browsers do. Whether its
    origin is allowed is the action's to say.
    """

    wrong_type = "Enter a valid URL."

    def parse(self, value: Any) -> str:
        url = super().parse(value)
        if origin(url) is None:
            raise invalid(self.wrong_type)
        return super().parse(quote(url, safe=string.punctuation))  # the limit is of what Stripe is sent

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "format": "uri"}


class CheckoutBody(RequestBody):
    """What somebody wants to buy, and where they return to. `resume_id` is for `single` only."""

    payment_type: Annotated[PaymentType, Choice("single", "monthly", "yearly")]
    resume_id: Annotated[int | None, Integer(minimum=-MAX_INTEGER, null=True)] = None
    success_url: Annotated[str, ReturnUrl(2000)]
    cancel_url: Annotated[str, ReturnUrl(2000)]


class Address(BaseModel):
    """Where to send the buyer."""

    url: AnyUrl


class PortalBody(RequestBody):
    """Where somebody returns to from the billing portal."""

    return_url: Annotated[str, ReturnUrl(2000)]


class WebhookReceived(BaseModel):
    """What Stripe is told."""

    status: Literal["success"]


class ClaimBody(RequestBody):
    """The account that an anonymous session's purchases go to."""

    user_id: Annotated[int, Integer(maximum=MAX_ID)]


class MergeBody(RequestBody):
    """The session that another anonymous session's purchases go to."""

    into_session_id: Annotated[str, Text(64)]


_IS_DISPUTED = "The cardholder's bank holds the money back until a dispute is decided. Absent from any other payment."


class PaymentShown(BaseModel):
    """One payment. Amounts are decimal texts (`"4.99"`); what was given back of it is `amount_refunded`."""

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


class SubscriptionShown(BaseModel):
    """What somebody's subscriptions amount to. One that is cancelled goes on until `subscription_end_date`."""

    subscription_type: SubscriptionType | None
    status: SubscriptionStatus
    subscription_end_date: datetime | None
    is_entitled: bool
    will_renew: bool


class CheckoutShown(BaseModel):
    """A checkout, by the id that Stripe puts in the place of `{CHECKOUT_SESSION_ID}`; `status` is its payment's."""

    id: str
    payment_type: PaymentType
    resume_id: int | None
    status: PaymentStatus


def present_payment(payment: Payment) -> dict[str, Any]:
    """A payment as the API shows it."""
    shown: dict[str, Any] = {
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
    return shown | {"is_disputed": True} if payment.is_suspended else shown


def present_subscription(standing: Standing, now: datetime) -> dict[str, Any]:
    """What subscriptions amount to, at the moment `now`, as the API shows it."""
    return {
        "subscription_type": standing.subscription_type,
        "status": standing.status,
        "subscription_end_date": standing.subscription_end_date,
        "is_entitled": standing.entitled_until is not None and now < standing.entitled_until,
        "will_renew": standing.will_renew,
    }


def present_checkout(checkout: Checkout, status: PaymentStatus) -> dict[str, Any]:
    """A checkout as the API shows it."""
    return {
        "id": checkout.stripe_session_id,
        "payment_type": checkout.payment_type,
        "resume_id": checkout.resume_id,
        "status": status,
    }


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
