"""Orders of calls to Stripe, in the transaction that decides them. `job_queues.calls` leases and finishes them."""

from collections.abc import Mapping

from cv_common.kernel.database import Statement, Transaction
from psycopg.types.json import Jsonb
from sqlalchemy import bindparam, func, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cv_payments.domain.jobs import CallAction
from cv_payments.domain.payments import RefundReason
from cv_payments.domain.stripe_objects import StripeRefund
from cv_payments.tables import parameters, stripe_calls

_KEY_PREFIXES: Mapping[CallAction, str] = {
    "refund": "refund",
    "cancel_subscription": "cancel",
    "expire_session": "expire",
    "delete_customer": "forget",
}

_CALL = upsert(stripe_calls).values(parameters("key", "action", "object_id", "parameters"))
_ORDER = Statement(_CALL.on_conflict_do_nothing())
_ORDER_DEAD = Statement(
    _CALL.values(outcome="dead", processed_at=func.now(), error=bindparam("error")).on_conflict_do_nothing()
)
_COUNT_REFUSAL = Statement(
    update(stripe_calls).where(stripe_calls.c.key == bindparam("call_key")).values(refusals=stripe_calls.c.refusals + 1)
)


async def order(tx: Transaction, action: CallAction, object_id: str, reason: RefundReason | None = None) -> None:
    """Order a call. A second order of the same call has no effect. Only a refund has a `reason`."""
    details = Jsonb({"reason": reason} if reason is not None else {})
    key = f"{_KEY_PREFIXES[action]}:{object_id}"
    await tx.execute(_ORDER, key=key, action=action, object_id=object_id, parameters=details)


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


async def count_refusal(tx: Transaction, key: str) -> None:
    """Count an error that Stripe answered to this call."""
    await tx.execute(_COUNT_REFUSAL, call_key=key)
