"""The tables of the templates database."""

from cv_common.messaging.outbox import outbox_table
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, MetaData, String, Table, Text, func

metadata = MetaData()

templates = Table(
    "templates",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("slug", String(100), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("description", Text, nullable=False),
    Column("is_premium", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("template_html", Text, nullable=False),
    Column("template_css", Text, nullable=False),
    Column("version", String(64), nullable=False),
    Column("pictured", String(64), nullable=False, key="thumbnail_hash"),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""`pictured` is the hash of the stored thumbnail. `revision` is that of the latest event, 0 before the first.

A trigger (migration 0002) notifies the channel `templates` of every change."""

outbox = outbox_table(metadata)
