"""The renderer's tables.

A PDF is a file in the media store and a row here. The row is added before the file is written and deleted after the
file is, so every file has a row. `discarded_at` marks a PDF that can no longer be fetched and must be deleted.
"""

from cv_common.messaging.inbox import inbox_table
from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, MetaData, String, Table, func

metadata = MetaData()

inbox = inbox_table(metadata)

pdfs = Table(
    "pdfs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", String(64), nullable=False),
    Column("resume_id", BigInteger, nullable=False, index=True),
    Column("path", String(100), nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("rendered_at", DateTime(timezone=True)),
    Column("discarded_at", DateTime(timezone=True)),
)
Index("pdfs_by_key", pdfs.c.key, unique=True, postgresql_where=pdfs.c.discarded_at.is_(None))
Index("pdfs_by_use", pdfs.c.used_at, postgresql_where=pdfs.c.discarded_at.is_(None))
Index("pdfs_discarded", pdfs.c.id, postgresql_where=pdfs.c.discarded_at.is_not(None))

links = Table(
    "links",
    metadata,
    Column("token", String(43), primary_key=True),
    Column("pdf_id", BigInteger, ForeignKey("pdfs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("file_name", String(150), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

deleted_resumes = Table(
    "deleted_resumes",
    metadata,
    Column("resume_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deleted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
