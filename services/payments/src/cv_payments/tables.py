"""The tables of the payments database."""

from typing import Any

from cv_common.messaging.inbox import inbox_table
from cv_common.messaging.outbox import outbox_table
from sqlalchemy import (
    BigInteger,
    BindParameter,
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
    bindparam,
    false,
    func,
    literal_column,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from cv_payments.domain.events import MAX_ID_LENGTH, MAX_TYPE_LENGTH

metadata = MetaData()

_STRIPE_ID = String(MAX_ID_LENGTH)


def sql_literals(*texts: str) -> list[ColumnElement[str]]:
    """Return constants that stand in the text of the SQL: PostgreSQL uses a partial index only with such constants."""
    return [literal_column(f"'{each}'", String) for each in texts]


def parameters(*names: str) -> dict[str, BindParameter[object]]:
    """Return a parameter for each column. It has the name of the column."""
    return {name: bindparam(name) for name in names}


def _time(name: str, **options: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), **options)


def _insert_time(name: str) -> Column[Any]:
    return _time(name, nullable=False, server_default=func.now())


owners = Table(
    "owners",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("user_id", BigInteger, unique=True),
    Column("session_id", String(64), unique=True),
    Column("customer_id", _STRIPE_ID, index=True),
    Column("told", JSONB, key="published_summary"),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    _insert_time("created_at"),
    _time("ended_at"),
    CheckConstraint("user_id IS NULL OR session_id IS NULL", name="owner_is_user_or_session"),
)
"""Accounts and anonymous sessions with their customers at Stripe. An ended owner owns nothing.

The payments of an erased account stay with an owner that has neither id. `told` is the SubscriptionSummary that was
last published.
"""

resumes = Table(
    "resumes",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("paid", Boolean, nullable=False, server_default=false()),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    _time("deleted_at"),
)
"""What was last published about a resume. A transaction that changes its payments locks the row."""

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
    _time("created_at", nullable=False),
    _time("expires_at", nullable=False),
    _time("opening_until"),
    Column("customer_id", _STRIPE_ID),
    _time("polled_at"),
)
Index(
    "checkouts_unfinished", checkouts.c.owner_id, postgresql_where=checkouts.c.status.in_(sql_literals("new", "open"))
)

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
    _time("current_period_end", nullable=False),
    _time("cancel_at"),
    _time("ended_at"),
    _time("past_due_since"),
    Column("superfluous", Boolean, nullable=False, server_default=false(), key="is_duplicate"),
    _time("created_at", nullable=False),
    _insert_time("known_since"),
    _insert_time("updated_at"),
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
    _insert_time("created_at"),
    _insert_time("updated_at"),
)
Index("payments_granting", payments.c.resume_id, unique=True, postgresql_where=payments.c.grants)


def _job_columns() -> list[Column[Any]]:
    """Return the columns of a job queue: a lease, the time of the next attempt, and the outcome."""
    return [
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        _insert_time("next_try_at"),
        _time("leased_until"),
        Column("outcome", String(20)),
        Column("error", Text),
        _time("processed_at"),
    ]


def _index_open_jobs(table: Table) -> None:
    """Index unfinished, dead and quarantined jobs: a few rows of many."""
    is_open = or_(table.c.outcome.is_(None), table.c.outcome.in_(sql_literals("dead", "quarantined")))
    Index(f"{table.name}_open", table.c.next_try_at, postgresql_where=is_open)


def is_finished(table: Table) -> ColumnElement[bool]:
    """Return whether a job needs no attempt and no operator."""
    return table.c.outcome.in_(sql_literals("done", "ignored", "dismissed"))


stripe_events = Table(
    "stripe_events",
    metadata,
    Column("id", _STRIPE_ID, primary_key=True),
    Column("type", String(MAX_TYPE_LENGTH), nullable=False),
    Column("object_id", _STRIPE_ID),
    Column("owner_id", ForeignKey("owners.id"), index=True),
    # No longer written or read. A migration of a later release can drop it.
    Column("raw", Text),
    _insert_time("received_at"),
    *_job_columns(),
)
"""Events from Stripe, without their content. `outcome` is null until the event is processed."""
_index_open_jobs(stripe_events)
Index("stripe_events_finished", stripe_events.c.processed_at, postgresql_where=is_finished(stripe_events))

stripe_calls = Table(
    "stripe_calls",
    metadata,
    Column("key", Text, primary_key=True),
    Column("action", String(30), nullable=False),
    Column("object_id", _STRIPE_ID, nullable=False),
    Column("parameters", JSONB, nullable=False),
    _insert_time("ordered_at"),
    *_job_columns(),
    # How often Stripe has answered with an error.
    Column("refusals", Integer, nullable=False, server_default=text("0")),
)
"""Calls to Stripe: refunds, cancellations, expiries, deletions."""
_index_open_jobs(stripe_calls)

inbox = inbox_table(metadata)
outbox = outbox_table(metadata)
