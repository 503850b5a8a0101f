"""An index of the inbox by age, to purge it in batches."""

from cv_common.kernel.migrations import create_index, drop_index

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    create_index("ix_inbox_received_at", "inbox", ["received_at"])


def downgrade() -> None:
    drop_index("ix_inbox_received_at", "inbox")
