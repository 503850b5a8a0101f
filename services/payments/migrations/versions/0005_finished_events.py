"""An index of finished events by age, to purge them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_FINISHED = sa.text("outcome IN ('done', 'ignored', 'dismissed')")


def upgrade() -> None:
    op.create_index("stripe_events_finished", "stripe_events", ["processed_at"], postgresql_where=_FINISHED)


def downgrade() -> None:
    op.drop_index("stripe_events_finished", "stripe_events")
