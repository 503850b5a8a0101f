"""The lease of a checkout whose page is being opened, and its customer at Stripe."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("checkouts", sa.Column("opening_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("checkouts", sa.Column("customer_id", sa.String(length=100), nullable=True))


def downgrade() -> None:
    op.drop_column("checkouts", "customer_id")
    op.drop_column("checkouts", "opening_until")
