"""Sessions that ended in favor of another session."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("claimed_sessions", sa.Column("into_session_id", sa.String(length=64)), if_not_exists=True)
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index.
        op.drop_index("claimed_sessions_into", "claimed_sessions", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "claimed_sessions_into",
            "claimed_sessions",
            ["into_session_id"],
            postgresql_where=sa.text("into_session_id IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("claimed_sessions_into", "claimed_sessions")
    op.drop_column("claimed_sessions", "into_session_id")
