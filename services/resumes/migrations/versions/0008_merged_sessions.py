"""Sessions that ended in favor of another session, and not of an account."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.alter_column("ended_sessions", "user_id", nullable=True)


def downgrade() -> None:
    # The release before read an account here; no account has the id 0.
    op.execute("update ended_sessions set user_id = 0 where user_id is null")
    op.alter_column("ended_sessions", "user_id", nullable=False)
