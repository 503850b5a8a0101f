"""What usernames look like. A release that does not know of it leaves it as it is, and the row is found."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("users", sa.Column("username_skeletons", sa.ARRAY(sa.Text())), if_not_exists=True)
    op.add_column("users", sa.Column("skeletons_of", sa.String(length=150)), if_not_exists=True)
    with op.get_context().autocommit_block():
        for name in ("users_skeletons", "users_skeletons_missing"):  # an interrupted build leaves an invalid index
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "users_skeletons", "users", ["username_skeletons"], postgresql_using="gin", postgresql_concurrently=True
        )
        op.create_index(
            "users_skeletons_missing",
            "users",
            ["id"],
            postgresql_where=sa.text("skeletons_of IS DISTINCT FROM username"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("users_skeletons_missing", "users")
    op.drop_index("users_skeletons", "users")
    op.drop_column("users", "skeletons_of")
    op.drop_column("users", "username_skeletons")
