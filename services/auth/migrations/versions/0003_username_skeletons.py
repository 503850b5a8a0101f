"""What usernames look like. A release that does not know of it leaves it as it is, and the row is found."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("users", sa.Column("username_skeletons", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("users", sa.Column("skeletons_of", sa.String(length=150), nullable=True))
    op.create_index("users_skeletons", "users", ["username_skeletons"], postgresql_using="gin")
    op.create_index(
        "users_skeletons_missing",
        "users",
        ["id"],
        postgresql_where=sa.text("skeletons_of IS DISTINCT FROM username"),
    )


def downgrade() -> None:
    op.drop_index("users_skeletons_missing", "users")
    op.drop_index("users_skeletons", "users")
    op.drop_column("users", "skeletons_of")
    op.drop_column("users", "username_skeletons")
