"""Whatever an owner ever began, and the subscription that a checkout began, are found without reading all.

`stripe_events.raw` stays, empty, for the release before this one, which still writes it. What has to come before its
drop is said in `tables.py`.
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
