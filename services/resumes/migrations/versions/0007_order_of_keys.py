"""The free lists become JSON, which keeps the order of keys.

The release before writes JSONB parameters, which PostgreSQL casts on assignment. The table is rewritten under a lock.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_COLUMNS = ("languages_data", "certifications_data", "projects_data", "custom_sections")


def upgrade() -> None:
    _retype("json")


def downgrade() -> None:
    _retype("jsonb")


def _retype(name: str) -> None:
    """Change all columns in one statement: PostgreSQL then rewrites the table once."""
    changes = (
        f"ALTER {column} DROP DEFAULT, ALTER {column} TYPE {name} USING {column}::{name}, "
        f"ALTER {column} SET DEFAULT '[]'::{name}"
        for column in _COLUMNS
    )
    op.execute(f"ALTER TABLE resumes {', '.join(changes)}")
