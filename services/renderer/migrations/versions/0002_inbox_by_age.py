"""Old rows of the inbox are found by an index, so that they can be removed in batches."""

from cv_common.kernel.migrations import create_index, drop_index

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_index("ix_inbox_received_at", "inbox", ["received_at"])


def downgrade() -> None:
    drop_index("ix_inbox_received_at", "inbox")
