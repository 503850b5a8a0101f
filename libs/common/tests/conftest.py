"""A service of the tests' own: its tables, its database, and the people on its bus."""

import secrets
from collections.abc import Callable

import pytest
from cv_common.inbox import inbox_table
from cv_common.outbox import outbox_table
from cv_common.testing.postgres import Postgres
from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.pool import NullPool

metadata = MetaData()

notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text),
    Column("parts", JSONB),
    Column("changed_at", DateTime(timezone=True)),
    Column("revision", BigInteger),
)
inbox_table(metadata)
outbox_table(metadata)


@pytest.fixture
def database_url(postgres: Postgres) -> str:
    """An empty database with the tables above."""
    return new_database(postgres)


@pytest.fixture
def another_database(postgres: Postgres) -> Callable[[], str]:
    """More of them."""
    return lambda: new_database(postgres)


def new_database(postgres: Postgres) -> str:
    url = postgres.ensure_database(f"common_{secrets.token_hex(6)}", secrets.token_hex(16))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    metadata.create_all(engine)
    return url
