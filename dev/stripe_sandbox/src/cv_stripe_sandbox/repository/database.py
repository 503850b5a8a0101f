"""The SQLite database. Its write-ahead log keeps all committed changes when the process is killed."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cv_stripe_sandbox.repository.objects import create_index_statements

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    private TEXT NOT NULL DEFAULT '{}'
);
-- Objects of earlier versions.
DROP INDEX IF EXISTS objects_by_kind;
DROP INDEX IF EXISTS objects_by_customer;

CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt REAL NOT NULL,
    last_status INTEGER,
    last_error TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, next_attempt);
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state);

CREATE TABLE IF NOT EXISTS replays (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS replays_by_age ON replays (created);

DROP TABLE IF EXISTS knobs;
CREATE TABLE IF NOT EXISTS controls (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Database:
    """One connection, used by one thread. Transactions contain no `await`, so they never wait for each other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The application may be created in one thread and served in another.
        self.connection = sqlite3.connect(folder / "stripe.sqlite3", isolation_level=None, check_same_thread=False)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.executescript(_SCHEMA)
        self.connection.executescript(";".join(create_index_statements()))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit the block as a whole, or roll it back."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def delete_all(self) -> None:
        """Delete every row."""
        with self.transaction() as connection:
            for table in ("objects", "deliveries", "replays", "controls"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - the four names above

    def close(self) -> None:
        """Close the database."""
        self.connection.close()
