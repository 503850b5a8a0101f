"""What the usernames that are there look like, in steps that keep nobody waiting; repeated, it goes on.

It imports the application's skeletons, because both must write the same ones: `tests/domain/test_usernames.py` notices
when those change, and asks for a migration that computes all of them anew.
"""

import sqlalchemy as sa
from alembic import op
from cv_auth.domain.usernames import skeletons

revision = "0004"
down_revision = "0003"

_NEXT = sa.text("select id, username from users where skeletons_of is distinct from username order by id limit 500")
_FILL = sa.text(
    "update users set username_skeletons = :skeletons, skeletons_of = :username where id = :id and username = :username"
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        while rows := connection.execute(_NEXT).all():
            connection.execute(
                _FILL,
                [{"id": row.id, "username": row.username, "skeletons": skeletons(row.username)} for row in rows],
            )


def downgrade() -> None:
    pass
