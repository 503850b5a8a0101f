"""Responses saved for idempotency keys. Stripe saves them for at least a day."""

import sqlite3
from dataclasses import dataclass

_KEPT_SECONDS = 7 * 86400


@dataclass(frozen=True)
class Replay:
    """The first response for a key, and a hash of its request."""

    key: str
    fingerprint: str
    status: int
    body: str


class Replays:
    """The queries of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, key: str) -> Replay | None:
        """Return the response saved for this key, or None."""
        row = self._connection.execute(
            "SELECT key, fingerprint, status, body FROM replays WHERE key = ?", (key,)
        ).fetchone()
        return None if row is None else Replay(**dict(row))

    def add(self, replay: Replay, now: int) -> None:
        """Save a response, and delete old ones."""
        self._connection.execute("DELETE FROM replays WHERE created < ?", (now - _KEPT_SECONDS,))
        self._connection.execute(
            "INSERT OR REPLACE INTO replays VALUES (?, ?, ?, ?, ?)",
            (replay.key, replay.fingerprint, replay.status, replay.body, now),
        )
