"""Photos whose files are to be removed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "discarded_photos",
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("remove_after", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("path"),
    )
    op.create_index("ix_discarded_photos_remove_after", "discarded_photos", ["remove_after"], unique=False)


def downgrade() -> None:
    op.drop_table("discarded_photos")
