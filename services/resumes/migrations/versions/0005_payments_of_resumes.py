"""What was paid for a resume goes with it."""

from alembic import op

revision = "0005"
down_revision = "0004"

_NAME = "resume_payments_resume_id_fkey"


def upgrade() -> None:
    op.execute("DELETE FROM resume_payments WHERE resume_id NOT IN (SELECT id FROM resumes)")
    op.create_foreign_key(_NAME, "resume_payments", "resumes", ["resume_id"], ["id"], ondelete="CASCADE")


def downgrade() -> None:
    op.drop_constraint(_NAME, "resume_payments", type_="foreignkey")
