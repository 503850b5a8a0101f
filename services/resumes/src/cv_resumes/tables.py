"""The tables of the resumes database."""

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

from cv_resumes.domain.sections import ENTRY_SECTIONS, FREE_SECTIONS

metadata = MetaData()

resumes = Table(
    "resumes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("template_id", Integer, nullable=False),
    Column("template_is_premium", Boolean, nullable=False),
    Column("full_name", String(200), nullable=False),
    Column("email", String(254), nullable=False),
    Column("phone", String(30)),
    Column("address", String(300)),
    Column("website", String(200)),
    Column("linkedin_url", String(200)),
    Column("github_url", String(200)),
    Column("photo", String(200)),
    Column("title", String(200)),
    Column("summary", Text),
    *(Column(section, JSONB, nullable=False, server_default=text("'[]'::jsonb")) for section in ENTRY_SECTIONS),
    # JSONB does not keep the order of keys.
    *(Column(section, JSON, nullable=False, server_default=text("'[]'::json")) for section in FREE_SECTIONS),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_accessed", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("resumes_by_owner", resumes.c.owner, resumes.c.created_at.desc(), resumes.c.id.desc())

Index("resumes_by_photo", resumes.c.photo, unique=True, postgresql_where=resumes.c.photo.is_not(None))
Index("resumes_by_template", resumes.c.template_id, resumes.c.template_is_premium)
Index("resumes_of_sessions", resumes.c.last_accessed, postgresql_where=text("owner LIKE 'session:%'"))

entry_ids = {section: Sequence(f"{section}_entry_id", metadata=metadata) for section in ENTRY_SECTIONS}
"""Where the ids of a section's entries come from."""

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
"""Photos whose files are to be removed: what no resume shows any more, and what none has come to show."""

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
"""Sessions that ended in favor of an account or, where its id is 0, of another session. No account has the id 0: the
release before, which knows only accounts, leaves such a session ended."""

ended_users = Table(
    "ended_users",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ended_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""Erased accounts, whose access tokens may be valid for some minutes more."""

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
