"""The tables of the payments database."""

from typing import Any

from cv_common.messaging.inbox import inbox_table
from cv_common.messaging.outbox import outbox_table
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    false,
    func,
    literal_column,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from cv_payments.domain.events import LONGEST_ID, LONGEST_TYPE

metadata = MetaData()

_STRIPE_ID = String(LONGEST_ID)


def words(*texts: str) -> list[ColumnElement[str]]:
    """Constants for `IN (...)`, written into the SQL: only so does PostgreSQL see that a partial index fits."""
    return [literal_column(f"'{each}'", String) for each in texts]


def _moment(name: str, **options: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), **options)


def _moment_of_insert(name: str) -> Column[Any]:
    return _moment(name, nullable=False, server_default=func.now())


owners = Table(
    "owners",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("user_id", BigInteger, unique=True),
    Column("session_id", String(64), unique=True),
    Column("customer_id", _STRIPE_ID, index=True),
    Column("told", JSONB),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    _moment_of_insert("created_at"),
    _moment("ended_at"),
    CheckConstraint("user_id IS NULL OR session_id IS NULL", name="owner_is_user_or_session"),
)
"""An account or an anonymous session, and its name at Stripe. One that ended owns nothing any more.

An erased account's payments stay with an owner that says neither: its id is their pseudonym.
"""

resumes = Table(
    "resumes",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("paid", Boolean, nullable=False, server_default=false()),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    _moment("deleted_at"),
)
"""What was last told of a resume that somebody wanted to pay for; locked by whoever changes its payments."""

checkouts = Table(
    "checkouts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner_id", ForeignKey("owners.id"), nullable=False, index=True),
    Column("payment_type", String(10), nullable=False),
    Column("resume_id", BigInteger),
    Column("amount", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("price_id", _STRIPE_ID, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("idempotency_key", String(100), nullable=False, unique=True),
    Column("stripe_session_id", _STRIPE_ID, unique=True),
    Column("url", Text),
    Column("status", String(10), nullable=False),
    _moment("created_at", nullable=False),
    _moment("expires_at", nullable=False),
    _moment("opening_until"),
    Column("customer_id", _STRIPE_ID),
    _moment("polled_at"),
)
Index("checkouts_unfinished", checkouts.c.owner_id, postgresql_where=checkouts.c.status.in_(words("new", "open")))

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", _STRIPE_ID, primary_key=True),
    Column("owner_id", ForeignKey("owners.id"), nullable=False, index=True),
    Column("checkout_id", ForeignKey("checkouts.id"), index=True),
    Column("customer_id", _STRIPE_ID, nullable=False),
    Column("item_id", _STRIPE_ID, nullable=False),
    Column("price_id", _STRIPE_ID, nullable=False),
    Column("subscription_type", String(10), nullable=False),
    Column("stripe_status", String(30), nullable=False),
    _moment("current_period_end", nullable=False),
    _moment("cancel_at"),
    _moment("ended_at"),
    _moment("past_due_since"),
    Column("superfluous", Boolean, nullable=False, server_default=false()),
    _moment("created_at", nullable=False),
    _moment_of_insert("known_since"),
    _moment_of_insert("updated_at"),
)

payments = Table(
    "payments",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("owner_id", ForeignKey("owners.id"), nullable=False, index=True),
    Column("checkout_id", ForeignKey("checkouts.id"), unique=True),
    Column("subscription_id", ForeignKey("subscriptions.id"), index=True),
    Column("payment_type", String(10), nullable=False),
    Column("resume_id", BigInteger, index=True),
    Column("stripe_invoice_id", _STRIPE_ID, unique=True),
    Column("stripe_payment_intent_id", _STRIPE_ID, unique=True),
    Column("amount", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("amount_refunded", Integer, nullable=False, server_default=text("0")),
    Column("dispute_status", String(30)),
    Column("status", String(10), nullable=False),
    Column("refund_reason", String(30)),
    Column("grants", Boolean, nullable=False, server_default=false()),
    Column("receipt_url", Text),
    _moment_of_insert("created_at"),
    _moment_of_insert("updated_at"),
)
Index("payments_granting", payments.c.resume_id, unique=True, postgresql_where=payments.c.grants)


def _work_columns() -> list[Column[Any]]:
    """What work that must not be lost needs: a lease while somebody does it, when to try again, what became of it."""
    return [
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        _moment_of_insert("next_try_at"),
        _moment("leased_until"),
        Column("outcome", String(20)),
        Column("error", Text),
        _moment("processed_at"),
    ]


def _index_of_open_work(table: Table) -> None:
    """What is still to be done, or to be looked at by somebody: a few rows of many."""
    is_open = or_(table.c.outcome.is_(None), table.c.outcome.in_(words("dead", "quarantined")))
    Index(f"{table.name}_open", table.c.next_try_at, postgresql_where=is_open)


def is_finished(table: Table) -> ColumnElement[bool]:
    """Nobody need look at it any more."""
    return table.c.outcome.in_(words("done", "ignored", "dismissed"))


stripe_events = Table(
    "stripe_events",
    metadata,
    Column("id", _STRIPE_ID, primary_key=True),
    Column("type", String(LONGEST_TYPE), nullable=False),
    Column("object_id", _STRIPE_ID),
    Column("owner_id", ForeignKey("owners.id"), index=True),
    # Not written any more. Statements still name all columns: a release that leaves it out here comes before its drop.
    Column("raw", Text),
    _moment_of_insert("received_at"),
    *_work_columns(),
)
"""That Stripe told us of an object, not what it said. `outcome` is null until nothing more is to be done."""
_index_of_open_work(stripe_events)
Index("stripe_events_finished", stripe_events.c.processed_at, postgresql_where=is_finished(stripe_events))

stripe_calls = Table(
    "stripe_calls",
    metadata,
    Column("key", Text, primary_key=True),
    Column("action", String(30), nullable=False),
    Column("object_id", _STRIPE_ID, nullable=False),
    Column("parameters", JSONB, nullable=False),
    _moment_of_insert("ordered_at"),
    *_work_columns(),
    # How often Stripe answered with an error.
    Column("refusals", Integer, nullable=False, server_default=text("0")),
)
"""What Stripe must be told: refunds, cancellations, expiries, each once. Of `key` and `refusals` is the call's
idempotency key made: Stripe repeats what it answered to a key, errors included."""
_index_of_open_work(stripe_calls)

inbox = inbox_table(metadata)
outbox = outbox_table(metadata)
