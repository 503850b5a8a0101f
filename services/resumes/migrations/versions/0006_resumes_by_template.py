"""What was written with a template that became premium, or free, is found without reading all."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("resumes_by_template", "resumes", ["template_id", "template_is_premium"])


def downgrade() -> None:
    op.drop_index("resumes_by_template", "resumes")
