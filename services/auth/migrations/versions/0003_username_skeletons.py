"""What usernames look like. A release that does not know of it leaves it as it is, and the row is found."""

import sqlalchemy as sa
from alembic import op
from cv_common.kernel.migrations import create_index

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("users", sa.Column("username_skeletons", sa.ARRAY(sa.Text())), if_not_exists=True)
    op.add_column("users", sa.Column("skeletons_of", sa.String(length=150)), if_not_exists=True)
    create_index("users_skeletons", "users", ["username_skeletons"], using="gin")
    create_index("users_skeletons_missing", "users", ["id"], where="skeletons_of IS DISTINCT FROM username")


def downgrade() -> None:
    op.drop_index("users_skeletons_missing", "users")
    op.drop_index("users_skeletons", "users")
    op.drop_column("users", "skeletons_of")
    op.drop_column("users", "username_skeletons")
