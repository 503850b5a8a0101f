"""The language of a CV, and the point of its photo that stays visible."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("resumes", sa.Column("language", sa.String(35)))
    op.add_column("resumes", sa.Column("photo_focus", JSONB))


def downgrade() -> None:
    op.drop_column("resumes", "photo_focus")
    op.drop_column("resumes", "language")
