"""Stripe's API: the calls that the service makes while it sells, with results of the domain."""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import cast

import stripe
from stripe.params import EventListParams, RefundCreateParams
from stripe.params.billing_portal import SessionCreateParams as PortalSessionCreateParams
from stripe.params.billing_portal import SessionCreateParamsFlowData
from stripe.params.checkout import SessionCreateParams

from cv_payments.clients.stripe_connection import StripeConnection
from cv_payments.clients.stripe_parsing import (
    parse_charge,
    parse_event,
    parse_invoice,
    parse_refund,
    parse_session,
    parse_subscription,
)
from cv_payments.domain.checkouts import SessionParameters
from cv_payments.domain.events import StripeEvent
from cv_payments.domain.payments import RefundReason
from cv_payments.domain.portal import PortalFlow
from cv_payments.domain.stripe_objects import (
    StripeCharge,
    StripeInvoice,
    StripeRefund,
    StripeSession,
    StripeSubscription,
)

log = logging.getLogger(__name__)

EVENTS_PAGE = 100
"""Events that one call lists; Stripe allows 100."""


class StripeApi:
    """Client of Stripe. All methods raise StripeUnavailable, StripeRequestError and StripeNotFound only."""

    def __init__(self, connection: StripeConnection) -> None:
        self._connection = connection
        self._request = connection.request

    @property
    def _v1(self) -> stripe.V1Services:
        return self._connection.v1

    async def create_session(self, parameters: SessionParameters, idempotency_key: str) -> StripeSession:
        """Open a hosted checkout page. The same key returns the same page."""
        sorted_parameters = cast("SessionCreateParams", _sort_keys(parameters))
        call = self._v1.checkout.sessions.create_async(sorted_parameters, {"idempotency_key": idempotency_key})
        return parse_session(await self._request(call))

    async def get_session(self, session_id: str) -> StripeSession:
        """Return a session with its prices and its payment."""
        expanded = ["line_items", "payment_intent"]
        return parse_session(
            await self._request(self._v1.checkout.sessions.retrieve_async(session_id, {"expand": expanded}))
        )

    async def find_session_of_subscription(self, subscription_id: str) -> str | None:
        """Return the id of the session that started a subscription; None when no session did."""
        found = await self._request(
            self._v1.checkout.sessions.list_async({"subscription": subscription_id, "limit": 1})
        )
        return found.data[0].id if found.data else None

    async def expire_session(self, session_id: str) -> None:
        """Close a checkout page. Raises StripeRequestError when it is closed or paid."""
        await self._request(self._v1.checkout.sessions.expire_async(session_id))

    async def get_subscription(self, subscription_id: str) -> StripeSubscription:
        expanded = ["latest_invoice"]
        return parse_subscription(
            await self._request(self._v1.subscriptions.retrieve_async(subscription_id, {"expand": expanded}))
        )

    async def cancel_subscription(self, subscription_id: str, idempotency_key: str) -> None:
        """End a subscription now. Raises StripeNotFound when it has ended."""
        await self._request(
            self._v1.subscriptions.cancel_async(subscription_id, {}, {"idempotency_key": idempotency_key})
        )

    async def delete_customer(self, customer_id: str) -> None:
        """Delete a customer for good. Raises StripeNotFound when it is deleted."""
        await self._request(self._v1.customers.delete_async(customer_id))

    async def get_invoice(self, invoice_id: str) -> StripeInvoice:
        return parse_invoice(
            await self._request(self._v1.invoices.retrieve_async(invoice_id, {"expand": ["payments"]}))
        )

    async def find_invoice_of_intent(self, payment_intent_id: str) -> str | None:
        """Return the id of the invoice that a PaymentIntent pays; None when it pays no invoice."""
        found = await self._request(
            self._v1.invoice_payments.list_async(
                {"payment": {"type": "payment_intent", "payment_intent": payment_intent_id}, "limit": 1}
            )
        )
        if not found.data:
            return None
        invoice = found.data[0].invoice
        return invoice if isinstance(invoice, str) else invoice.id

    async def get_charge(self, charge_id: str) -> StripeCharge:
        return parse_charge(await self._request(self._v1.charges.retrieve_async(charge_id)))

    async def get_disputed_charge(self, dispute_id: str) -> str:
        """Return the id of the charge that a dispute or an inquiry is about."""
        charge = (await self._request(self._v1.disputes.retrieve_async(dispute_id))).charge
        return charge if isinstance(charge, str) else charge.id

    async def list_dispute_statuses(self, charge_id: str) -> list[str]:
        """Return the statuses of all disputes and inquiries (`warning_…`) of a charge, newest first."""
        found = await self._request(self._v1.disputes.list_async({"charge": charge_id, "limit": 100}))
        return [dispute.status for dispute in found.data]

    async def get_refund(self, refund_id: str) -> StripeRefund:
        return parse_refund(await self._request(self._v1.refunds.retrieve_async(refund_id)))

    async def refund(self, payment_intent_id: str, reason: RefundReason, idempotency_key: str) -> None:
        """Refund a payment in full. Raises StripeRequestError when it is refunded already."""
        parameters: RefundCreateParams = {"payment_intent": payment_intent_id, "reason": reason}
        await self._request(self._v1.refunds.create_async(parameters, {"idempotency_key": idempotency_key}))

    async def create_portal_session(
        self, configuration_id: str, customer_id: str, return_url: str, flow: PortalFlow | None
    ) -> str:
        """Return the URL of the billing portal for a customer, at its home page or at the page of `flow`."""
        parameters: PortalSessionCreateParams = {
            "configuration": configuration_id,
            "customer": customer_id,
            "return_url": return_url,
        }
        if flow is not None:
            parameters["flow_data"] = cast("SessionCreateParamsFlowData", flow)
        return (await self._request(self._v1.billing_portal.sessions.create_async(parameters))).url

    async def list_undelivered(self, event_types: Sequence[str]) -> AsyncIterator[list[StripeEvent]]:
        """Yield pages of the events of the last 30 days whose webhook was not delivered, newest first.

        Events that cannot be stored are left out, as their webhooks are rejected.
        """
        parameters: EventListParams = {"delivery_success": False, "types": list(event_types), "limit": EVENTS_PAGE}
        more = True
        while more:
            listed = await self._request(self._v1.events.list_async(parameters))
            yield list(_storable(listed.data))
            more = listed.has_more and bool(listed.data)
            if more:
                parameters = {**parameters, "starting_after": listed.data[-1].id}


def _storable(listed: Iterable[stripe.Event]) -> Iterator[StripeEvent]:
    for each in listed:
        try:
            yield parse_event(each.to_dict(for_json=True))
        except ValueError:
            log.error("cannot store an undelivered event", extra={"event": each.id, "type": each.type})


def _sort_keys(value: object) -> object:
    """Sort the keys: a repeated idempotency key needs the same body, and JSONB does not keep the order of keys."""
    if isinstance(value, Mapping):
        return {key: _sort_keys(value[key]) for key in sorted(value)}
    return [_sort_keys(item) for item in value] if isinstance(value, list) else value
