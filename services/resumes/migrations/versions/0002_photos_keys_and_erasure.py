"""Photos by path, idempotency keys, and the way to resumes that nobody comes back for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=True),
        sa.Column("resume_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key"),
    )
    op.create_index(
        "resumes_by_photo", "resumes", ["photo"], unique=True, postgresql_where=sa.text("photo IS NOT NULL")
    )
    op.create_index(
        "resumes_of_sessions",
        "resumes",
        ["last_accessed"],
        postgresql_where=sa.text("owner LIKE 'session:%'"),
    )


def downgrade() -> None:
    op.drop_index("resumes_of_sessions", table_name="resumes")
    op.drop_index("resumes_by_photo", table_name="resumes")
    op.drop_table("idempotency_keys")
