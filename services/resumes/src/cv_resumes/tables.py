"""The tables of the resumes database."""

from typing import Any

from cv_common.drf.fields import Text as TextRule
from cv_common.messaging.inbox import inbox_table
from cv_common.messaging.outbox import outbox_table
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from cv_resumes.domain.content import (
    CONTENT_FIELDS,
    LONG_TEXTS,
    NUMBERED_SECTIONS,
    Declaration,
    Focus,
    FreeSection,
    NumberedSection,
)

metadata = MetaData()


def _content_column(field: Declaration) -> Column[Any]:
    match field.rule:
        case NumberedSection():
            return Column(field.name, JSONB, nullable=False, server_default=text("'[]'::jsonb"))
        case FreeSection():  # JSONB does not keep the order of keys
            return Column(field.name, JSON, nullable=False, server_default=text("'[]'::json"))
        case Focus():
            return Column(field.name, JSONB(none_as_null=True))
        case TextRule(max_length=length):
            kind = Text() if field.name in LONG_TEXTS else String(length)
            return Column(field.name, kind, nullable=field.is_nullable)
    raise TypeError(f"no column type for {field}")


resumes = Table(
    "resumes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("template_id", Integer, nullable=False),
    # The state when the template was chosen, for templates that the table `templates` does not have yet.
    Column("template_is_premium", Boolean, nullable=False),
    *(_content_column(field) for field in CONTENT_FIELDS),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_accessed", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("resumes_by_owner", resumes.c.owner, resumes.c.created_at.desc(), resumes.c.id.desc())

Index("resumes_by_photo", resumes.c.photo, unique=True, postgresql_where=resumes.c.photo.is_not(None))
# Only the previous release uses this index. The next migration can drop it.
Index("resumes_by_template", resumes.c.template_id, resumes.c.template_is_premium)
Index("resumes_of_sessions", resumes.c.last_accessed, postgresql_where=text("owner LIKE 'session:%'"))

entry_ids = {section: Sequence(f"{section}_entry_id", metadata=metadata) for section in NUMBERED_SECTIONS}
"""The sequences that number the entries of a section."""

templates = Table(
    "templates",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("is_premium", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
)
"""The current state of templates, from their events."""

resume_payments = Table(
    "resume_payments",
    metadata,
    Column(
        "resume_id", BigInteger, ForeignKey("resumes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("paid", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

discarded_photos = Table(
    "discarded_photos",
    metadata,
    Column("path", String(200), primary_key=True),
    Column("remove_after", DateTime(timezone=True), nullable=False, index=True),
)
"""Photos whose files are deleted after `remove_after`: uploads that no resume uses yet, and photos that none uses
any more."""

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("owner", String(80), primary_key=True),
    Column("entitled_until", DateTime(timezone=True)),
    Column("revision", BigInteger, nullable=False),
)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""Ended sessions and the account that claimed each. `user_id` is 0 for a session that was merged into another one."""

ended_users = Table(
    "ended_users",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ended_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""Erased accounts. Their access tokens may be valid for some minutes more."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", String(100), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("owner", String(80)),
    Column("resume_id", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
)

inbox = inbox_table(metadata)
outbox = outbox_table(metadata)
