"""Calls that Stripe must get, ordered in the transaction that decides them. Making them is `work.calls`."""

from typing import Any

from cv_common.kernel.database import Statement, Transaction
from psycopg.types.json import Jsonb
from sqlalchemy import bindparam, func, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.payments import RefundReason
from cv_payments.domain.stripe_objects import StripeRefund
from cv_payments.tables import stripe_calls

_ORDER = Statement(
    upsert(stripe_calls)
    .values({name: bindparam(name) for name in ("key", "action", "object_id", "parameters")})
    .on_conflict_do_nothing()
)

_ORDER_DEAD = Statement(
    upsert(stripe_calls)
    .values({name: bindparam(name) for name in ("key", "action", "object_id", "parameters", "error")})
    .values(outcome="dead", processed_at=func.now())
    .on_conflict_do_nothing()
)

_REFUSED = Statement(
    update(stripe_calls).where(stripe_calls.c.key == bindparam("call_key")).values(refusals=stripe_calls.c.refusals + 1)
)


async def refund(tx: Transaction, payment_intent_id: str, reason: RefundReason) -> None:
    """Give all of a payment back."""
    await _order(tx, f"refund:{payment_intent_id}", "refund", payment_intent_id, reason=reason)


async def refund_failed(tx: Transaction, failed: StripeRefund, reason: RefundReason) -> None:
    """Have somebody look at a refund that the bank sent back: it would send another one back too.

    To try it again is another call, under a key that names the one that failed.
    """
    await tx.execute(
        _ORDER_DEAD,
        key=f"refund:{failed.payment_intent_id}:{failed.id}",
        action="refund",
        object_id=failed.payment_intent_id,
        parameters=Jsonb({"reason": reason}),
        error=f"{failed.id} failed at the bank: the money is still owed",
    )


async def cancel_subscription(tx: Transaction, subscription_id: str) -> None:
    """End a subscription now."""
    await _order(tx, f"cancel:{subscription_id}", "cancel_subscription", subscription_id)


async def expire_session(tx: Transaction, session_id: str) -> None:
    """Close a checkout page that nobody should pay at any more."""
    await _order(tx, f"expire:{session_id}", "expire_session", session_id)


async def delete_customer(tx: Transaction, customer_id: str) -> None:
    """Have Stripe forget an erased account's name, e-mail and cards; what was paid stays, without them."""
    await _order(tx, f"forget:{customer_id}", "delete_customer", customer_id)


async def refused(tx: Transaction, key: str) -> None:
    """Stripe answered this call with an error."""
    await tx.execute(_REFUSED, call_key=key)


async def _order(tx: Transaction, key: str, action: str, object_id: str, **parameters: Any) -> None:
    """A second order with the same key is the same order."""
    await tx.execute(_ORDER, key=key, action=action, object_id=object_id, parameters=Jsonb(parameters))
