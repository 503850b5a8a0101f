"""Answers remembered for idempotency keys, as Stripe does for at least a day."""

import sqlite3
from dataclasses import dataclass

_KEPT_SECONDS = 7 * 86400


@dataclass(frozen=True)
class Replay:
    """The answer first given under a key, and a fingerprint of the request that got it."""

    key: str
    fingerprint: str
    status: int
    body: str


class Replays:
    """Reads and writes within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, key: str) -> Replay | None:
        """What was answered under this key, or None."""
        row = self._connection.execute(
            "SELECT key, fingerprint, status, body FROM replays WHERE key = ?", (key,)
        ).fetchone()
        return None if row is None else Replay(**dict(row))

    def add(self, replay: Replay, now: int) -> None:
        """Remember an answer; old ones are forgotten on the way."""
        self._connection.execute("DELETE FROM replays WHERE created < ?", (now - _KEPT_SECONDS,))
        self._connection.execute(
            "INSERT OR REPLACE INTO replays VALUES (?, ?, ?, ?, ?)",
            (replay.key, replay.fingerprint, replay.status, replay.body, now),
        )
