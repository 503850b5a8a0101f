"""PDFs, links to them, deleted resumes, and the events taken."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_table(
        "pdfs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("resume_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.String(length=100), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("rendered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_pdfs_resume_id", "pdfs", ["resume_id"])
    op.create_index("pdfs_by_key", "pdfs", ["key"], unique=True, postgresql_where=sa.text("discarded_at IS NULL"))
    op.create_index("pdfs_by_use", "pdfs", ["used_at"], postgresql_where=sa.text("discarded_at IS NULL"))
    op.create_index("pdfs_discarded", "pdfs", ["id"], postgresql_where=sa.text("discarded_at IS NOT NULL"))
    op.create_table(
        "links",
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.Column("pdf_id", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.String(length=150), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pdf_id"], ["pdfs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token"),
    )
    op.create_index("ix_links_pdf_id", "links", ["pdf_id"])
    op.create_index("ix_links_expires_at", "links", ["expires_at"])
    op.create_table(
        "deleted_resumes",
        sa.Column("resume_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("resume_id"),
    )


def downgrade() -> None:
    for table in ("deleted_resumes", "links", "pdfs", "inbox"):
        op.drop_table(table)
