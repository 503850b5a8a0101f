"""Indexes of an owner's checkouts and of a checkout's subscription.

The previous release still writes `stripe_events.raw`, so the column stays; `tables.py` says when it can go.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("ix_checkouts_owner_id", "checkouts", ["owner_id"])
    op.create_index("ix_subscriptions_checkout_id", "subscriptions", ["checkout_id"])


def downgrade() -> None:
    op.drop_index("ix_subscriptions_checkout_id", "subscriptions")
    op.drop_index("ix_checkouts_owner_id", "checkouts")
