"""Orders of calls to Stripe, in the transaction that decides them. `job_queues.calls` leases and finishes them."""

from cv_common.kernel.database import Statement, Transaction
from psycopg.types.json import Jsonb
from sqlalchemy import bindparam, func, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.jobs import CallAction
from cv_payments.domain.payments import RefundReason
from cv_payments.domain.stripe_objects import StripeRefund
from cv_payments.tables import stripe_calls

_CALL = upsert(stripe_calls).values({name: bindparam(name) for name in ("key", "action", "object_id", "parameters")})
_ORDER = Statement(_CALL.on_conflict_do_nothing())
_ORDER_DEAD = Statement(
    _CALL.values(outcome="dead", processed_at=func.now(), error=bindparam("error")).on_conflict_do_nothing()
)
_COUNT_REFUSAL = Statement(
    update(stripe_calls).where(stripe_calls.c.key == bindparam("call_key")).values(refusals=stripe_calls.c.refusals + 1)
)


async def order_refund(tx: Transaction, payment_intent_id: str, reason: RefundReason) -> None:
    """Order a full refund of a payment."""
    await _order(tx, f"refund:{payment_intent_id}", "refund", payment_intent_id, reason)


async def add_failed_refund(tx: Transaction, refund: StripeRefund, reason: RefundReason) -> None:
    """Add a dead call for a refund that the bank returned, so that an operator looks at it.

    Its key names the failed refund: a retry is a new call to Stripe.
    """
    await tx.execute(
        _ORDER_DEAD,
        key=f"refund:{refund.payment_intent_id}:{refund.id}",
        action="refund",
        object_id=refund.payment_intent_id,
        parameters=Jsonb({"reason": reason}),
        error=f"{refund.id} failed at the bank: the money is still owed",
    )


async def order_cancellation(tx: Transaction, subscription_id: str) -> None:
    """Order the immediate end of a subscription."""
    await _order(tx, f"cancel:{subscription_id}", "cancel_subscription", subscription_id)


async def order_expiry(tx: Transaction, session_id: str) -> None:
    """Order the closing of a checkout page."""
    await _order(tx, f"expire:{session_id}", "expire_session", session_id)


async def order_customer_deletion(tx: Transaction, customer_id: str) -> None:
    """Order the deletion of a customer's name, e-mail and cards. Stripe keeps the payments."""
    await _order(tx, f"forget:{customer_id}", "delete_customer", customer_id)


async def count_refusal(tx: Transaction, key: str) -> None:
    """Count an error that Stripe answered to this call."""
    await tx.execute(_COUNT_REFUSAL, call_key=key)


async def _order(
    tx: Transaction, key: str, action: CallAction, object_id: str, reason: RefundReason | None = None
) -> None:
    """A second order with the same key has no effect."""
    parameters = Jsonb({"reason": reason} if reason is not None else {})
    await tx.execute(_ORDER, key=key, action=action, object_id=object_id, parameters=parameters)
