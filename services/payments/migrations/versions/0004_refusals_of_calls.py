"""How often Stripe answered a call with an error: the next attempt needs another idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("stripe_calls", sa.Column("refusals", sa.Integer(), nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    op.drop_column("stripe_calls", "refusals")
