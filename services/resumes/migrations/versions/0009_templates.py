"""The current state of templates, from their events."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "templates",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("is_premium", sa.Boolean, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("templates")
