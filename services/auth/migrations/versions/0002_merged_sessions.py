"""Sessions that ended in favor of another session."""

import sqlalchemy as sa
from alembic import op
from cv_common.kernel.migrations import create_index

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("claimed_sessions", sa.Column("into_session_id", sa.String(length=64)), if_not_exists=True)
    create_index("claimed_sessions_into", "claimed_sessions", ["into_session_id"], where="into_session_id IS NOT NULL")


def downgrade() -> None:
    op.drop_index("claimed_sessions_into", "claimed_sessions")
    op.drop_column("claimed_sessions", "into_session_id")
