"""Alembic migrations of a service's database. `migrations/env.py` of every service calls `run`."""

import logging
import time
from collections.abc import Sequence

from alembic import context, op
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, pool, text

from cv_common.kernel.database import CLIENT_TCP, SERVER_TCP
from cv_common.kernel.settings import DatabaseSettings

log = logging.getLogger(__name__)

_LOCK = 5_118_401
"""Key of the advisory lock with which replicas migrate one after the other."""
_LOCK_POLL_SECONDS = 0.2


def run(metadata: MetaData) -> None:
    """Apply the migrations up to the requested revision. Waits at most five seconds for the lock on a table.

    After a rollback to the previous release, the database stays at the revision of the newer one, which suits both.
    """
    logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)
    url = DatabaseSettings().direct_url.replace("postgresql://", "postgresql+psycopg://", 1)
    # Without these options, a migrator whose machine vanished would hold the lock for hours.
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={**CLIENT_TCP, "options": SERVER_TCP})
    with engine.connect() as connection:
        connection.execute(text("set statement_timeout = 0"))  # a role's default suits requests
        connection.commit()
        # Polled, because a waiting statement would block the concurrent building of an index in the other migrator.
        while not connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": _LOCK}):
            connection.commit()
            time.sleep(_LOCK_POLL_SECONDS)
        connection.execute(text("set lock_timeout = '5s'"))
        unknown = set(MigrationContext.configure(connection).get_current_heads()) - _known_revisions()
        connection.commit()
        if unknown:
            log.warning("the database has migrations of a newer release, which stay: %s", ", ".join(sorted(unknown)))
            return
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()


def create_index(
    name: str, table: str, columns: Sequence[str], *, where: str | None = None, using: str = "btree"
) -> None:
    """Build an index while the service uses the table. Replaces an index of the name, which may be half built."""
    with op.get_context().autocommit_block():
        op.execute("set lock_timeout = 0")  # waiting for older transactions blocks no other session
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            name,
            table,
            columns,
            postgresql_where=None if where is None else text(where),
            postgresql_using=using,
            postgresql_concurrently=True,
        )
        op.execute("set lock_timeout = '5s'")


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it exists, while the service uses the table."""
    with op.get_context().autocommit_block():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def _known_revisions() -> set[str]:
    return {script.revision for script in context.script.walk_revisions()}
