"""Events: an outbox, a revision for each template, and a notification for each change of the catalog."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

# A trigger, so that a replica also notices the changes of the previous release and of an operator.
_NOTIFY = """
    create function notify_templates() returns trigger language plpgsql as $$
    begin
        perform pg_notify('templates', '');
        return null;
    end
    $$;
    create trigger notify_templates after insert or update or delete or truncate on templates
        for each statement execute function notify_templates();
"""


def upgrade() -> None:
    # 0: no event has been published for the template yet.
    op.add_column("templates", sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("event_id", sa.Uuid, nullable=False, unique=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True)),
    )
    op.create_index("outbox_unpublished", "outbox", ["id"], postgresql_where=sa.text("published_at is null"))
    op.execute(_NOTIFY)


def downgrade() -> None:
    op.execute("drop trigger notify_templates on templates; drop function notify_templates()")
    op.drop_table("outbox")
    op.drop_column("templates", "revision")
