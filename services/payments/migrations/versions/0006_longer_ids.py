"""Ids of up to 255 characters, as Stripe allows, and longer keys of calls. No table is rewritten."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_IDS = {
    "checkouts": ("price_id", "stripe_session_id", "customer_id"),
    "owners": ("customer_id",),
    "payments": ("subscription_id", "stripe_invoice_id", "stripe_payment_intent_id"),
    "stripe_calls": ("object_id",),
    "stripe_events": ("id", "object_id"),
    "subscriptions": ("id", "customer_id", "item_id", "price_id"),
}


def upgrade() -> None:
    _change_ids(sa.String(length=100), sa.String(length=255))
    op.alter_column("stripe_calls", "key", existing_type=sa.String(length=200), type_=sa.Text())


def downgrade() -> None:
    op.alter_column("stripe_calls", "key", existing_type=sa.Text(), type_=sa.String(length=200))
    _change_ids(sa.String(length=255), sa.String(length=100))


def _change_ids(before: sa.String, after: sa.String) -> None:
    for table, columns in _IDS.items():
        for column in columns:
            op.alter_column(table, column, existing_type=before, type_=after)
