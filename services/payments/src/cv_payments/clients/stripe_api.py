"""Stripe's API: one method for each thing asked while something is sold, answers reduced to what decides anything."""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import stripe
from stripe.params import EventListParams, RefundCreateParams
from stripe.params.checkout import SessionCreateParams

from cv_payments.clients.stripe_connection import StripeConnection
from cv_payments.clients.stripe_reading import (
    read_charge,
    read_dispute,
    read_event,
    read_invoice,
    read_refund,
    read_session,
    read_subscription,
)
from cv_payments.domain.events import ReceivedEvent
from cv_payments.domain.payments import RefundReason
from cv_payments.domain.stripe_objects import (
    StripeCharge,
    StripeDispute,
    StripeInvoice,
    StripeRefund,
    StripeSession,
    StripeSubscription,
)

log = logging.getLogger(__name__)


class Stripe:
    """What payments asks of Stripe. Every method raises StripeDown, StripeRefused and StripeMissing only."""

    def __init__(self, connection: StripeConnection) -> None:
        self._connection = connection
        self._answer = connection.answer

    @property
    def _v1(self) -> stripe.V1Services:
        return self._connection.v1

    async def create_session(self, parameters: Mapping[str, Any], idempotency_key: str) -> StripeSession:
        """Open a hosted checkout page. The same key opens the same page."""
        asked = cast("SessionCreateParams", _in_order(parameters))
        created = self._v1.checkout.sessions.create_async(asked, {"idempotency_key": idempotency_key})
        return read_session(await self._answer(created))

    async def session(self, session_id: str) -> StripeSession:
        """A session with its prices and what became of its payment."""
        expanded = ["line_items", "payment_intent"]
        return read_session(
            await self._answer(self._v1.checkout.sessions.retrieve_async(session_id, {"expand": expanded}))
        )

    async def session_of_subscription(self, subscription_id: str) -> str | None:
        """The session that began a subscription, if one did."""
        found = await self._answer(self._v1.checkout.sessions.list_async({"subscription": subscription_id, "limit": 1}))
        return found.data[0].id if found.data else None

    async def expire_session(self, session_id: str) -> None:
        """Close a checkout page. Raises StripeRefused when it is closed already, or paid."""
        await self._answer(self._v1.checkout.sessions.expire_async(session_id))

    async def subscription(self, subscription_id: str) -> StripeSubscription:
        expanded = ["latest_invoice"]
        return read_subscription(
            await self._answer(self._v1.subscriptions.retrieve_async(subscription_id, {"expand": expanded}))
        )

    async def cancel_subscription(self, subscription_id: str, idempotency_key: str) -> None:
        """End a subscription now. Raises StripeMissing when it has ended already."""
        await self._answer(
            self._v1.subscriptions.cancel_async(subscription_id, {}, {"idempotency_key": idempotency_key})
        )

    async def delete_customer(self, customer_id: str) -> None:
        """Forget a customer for good. Raises StripeMissing when that has happened already."""
        await self._answer(self._v1.customers.delete_async(customer_id))

    async def invoice(self, invoice_id: str) -> StripeInvoice:
        return read_invoice(await self._answer(self._v1.invoices.retrieve_async(invoice_id, {"expand": ["payments"]})))

    async def invoice_of_intent(self, payment_intent_id: str) -> str | None:
        """The invoice that a PaymentIntent pays, if it pays one."""
        payment: Any = {"type": "payment_intent", "payment_intent": payment_intent_id}
        found = await self._answer(self._v1.invoice_payments.list_async({"payment": payment, "limit": 1}))
        if not found.data:
            return None
        invoice = found.data[0].invoice
        return invoice if isinstance(invoice, str) else invoice.id

    async def charge(self, charge_id: str) -> StripeCharge:
        return read_charge(await self._answer(self._v1.charges.retrieve_async(charge_id)))

    async def dispute(self, dispute_id: str) -> StripeDispute:
        return read_dispute(await self._answer(self._v1.disputes.retrieve_async(dispute_id)))

    async def dispute_statuses(self, charge_id: str) -> list[str]:
        """The statuses of all disputes and inquiries (`warning_…`) of a charge, newest first."""
        found = await self._answer(self._v1.disputes.list_async({"charge": charge_id, "limit": 100}))
        return [dispute.status for dispute in found.data]

    async def refund(self, refund_id: str) -> StripeRefund:
        return read_refund(await self._answer(self._v1.refunds.retrieve_async(refund_id)))

    async def give_back(self, payment_intent_id: str, reason: RefundReason, idempotency_key: str) -> None:
        """Give all of a payment back. Raises StripeRefused when that has happened already."""
        asked: RefundCreateParams = {"payment_intent": payment_intent_id, "reason": reason}
        await self._answer(self._v1.refunds.create_async(asked, {"idempotency_key": idempotency_key}))

    async def portal(
        self, configuration_id: str, customer_id: str, return_url: str, flow: Mapping[str, Any] | None
    ) -> str:
        """The address of the billing portal for a customer, at its home page or deep in one flow."""
        wanted: Any = {"configuration": configuration_id, "customer": customer_id, "return_url": return_url}
        if flow is not None:
            wanted["flow_data"] = dict(flow)
        return (await self._answer(self._v1.billing_portal.sessions.create_async(wanted))).url

    async def undelivered(self, event_types: Sequence[str]) -> AsyncIterator[list[ReceivedEvent]]:
        """Events of the last 30 days that no webhook of ours has confirmed, newest first, a page at a time.

        Those that cannot be kept are left out: a webhook that brings one is refused.
        """
        asked: EventListParams = {"delivery_success": False, "types": list(event_types), "limit": 100}
        more = True
        while more:
            listed = await self._answer(self._v1.events.list_async(asked))
            yield list(_readable(listed.data))
            more = listed.has_more and bool(listed.data)
            if more:
                asked = {**asked, "starting_after": listed.data[-1].id}


def _readable(listed: Iterable[stripe.Event]) -> Iterator[ReceivedEvent]:
    for each in listed:
        try:
            yield read_event(each.to_dict(for_json=True))
        except ValueError:
            log.error("an undelivered event cannot be kept", extra={"event": each.id, "type": each.type})


def _in_order(value: Any) -> Any:
    """The same parameters in one order: an idempotency key stands for a body, and JSONB keeps no order of keys."""
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(item) for item in value] if isinstance(value, list) else value
