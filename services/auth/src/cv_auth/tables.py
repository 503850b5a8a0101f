"""The tables of the auth database."""

from cv_common.messaging.inbox import inbox_table
from cv_common.messaging.outbox import outbox_table
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("username", String(150), nullable=False),
    Column("email", String(254), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("first_name", String(150), nullable=False),
    Column("last_name", String(150), nullable=False),
    Column("phone", String(20)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("username_skeletons", ARRAY(Text)),
    Column("skeletons_of", String(150)),
)
"""`skeletons_of` is the username from which `username_skeletons` were computed. If it differs from `username`, a
previous release, which does not know these columns, wrote the row, and the skeletons are out of date."""
Index("users_skeletons", users.c.username_skeletons, postgresql_using="gin")
Index("users_skeletons_missing", users.c.id, postgresql_where=users.c.skeletons_of.is_distinct_from(users.c.username))
Index("users_username", func.lower(users.c.username), unique=True)
Index("users_email", func.lower(users.c.email), unique=True)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", BigInteger, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
Index("refresh_tokens_user", refresh_tokens.c.user_id)
Index("refresh_tokens_expiry", refresh_tokens.c.expires_at)

claimed_sessions = Table(
    "claimed_sessions",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("user_id", BigInteger, ForeignKey(users.c.id, ondelete="SET NULL")),
    Column("into_session_id", String(64)),
    Column("claimed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""Sessions that have ended: claimed by an account (null once it is deleted), or merged into a session that is live."""
Index("claimed_sessions_user", claimed_sessions.c.user_id)
Index(
    "claimed_sessions_into",
    claimed_sessions.c.into_session_id,
    postgresql_where=claimed_sessions.c.into_session_id.is_not(None),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("user_id", BigInteger, ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("subscription_type", String(20)),
    Column("subscription_end_date", DateTime(timezone=True)),
    Column("entitled_until", DateTime(timezone=True)),
    Column("revision", BigInteger, nullable=False),
)

inbox = inbox_table(metadata)
outbox = outbox_table(metadata)
