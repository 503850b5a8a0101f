"""The durable queue of webhooks: a row for each event and endpoint, done only when the endpoint said 2xx.

States: `pending` (will be tried at `next_attempt`), `held` (waits for someone to send it), `delivered`,
`failed` (given up), `dropped` (lost on purpose).
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Delivery:
    """One row of the queue; `next_attempt` is a Unix time."""

    id: int
    event: str
    endpoint: str
    state: str
    attempts: int
    next_attempt: float
    last_status: int | None
    last_error: str | None


class Deliveries:
    """Reads and writes within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, event: str, endpoint: str, state: str, next_attempt: float) -> int:
        """Queue one delivery; returns its id."""
        cursor = self._connection.execute(
            "INSERT INTO deliveries (event, endpoint, state, next_attempt) VALUES (?, ?, ?, ?)",
            (event, endpoint, state, next_attempt),
        )
        return int(cursor.lastrowid or 0)

    def due(self, now: float, limit: int, busy: Sequence[int]) -> list[Delivery]:
        """Pending deliveries whose time has come, but for those being sent already."""
        return self._read(
            "state = 'pending' AND next_attempt <= ? AND id NOT IN (SELECT value FROM json_each(?)) "
            "ORDER BY next_attempt, id LIMIT ?",
            [now, json.dumps(busy), limit],
        )

    def next_attempt(self, busy: Sequence[int]) -> float | None:
        """When the next pending delivery is due, or None."""
        row = self._connection.execute(
            "SELECT min(next_attempt) FROM deliveries "
            "WHERE state = 'pending' AND id NOT IN (SELECT value FROM json_each(?))",
            [json.dumps(busy)],
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def of_event(self, event: str) -> list[Delivery]:
        """Every delivery of one event."""
        return self._read("event = ? ORDER BY id", [event])

    def listed(self, state: str | None = None, *, after: int = 0, limit: int = -1) -> list[Delivery]:
        """Deliveries, or those in one state, oldest first: `limit` of them after the one with the id `after`."""
        chosen, values = ("", []) if state is None else ("state = ? AND ", [state])
        return self._read(f"{chosen}id > ? ORDER BY id LIMIT ?", [*values, after, limit])

    def undelivered(self) -> list[str]:
        """Ids of the events that some endpoint has not acknowledged."""
        rows = self._connection.execute(
            "SELECT DISTINCT event FROM deliveries WHERE state IN ('pending', 'held', 'failed', 'dropped')"
        )
        return [row["event"] for row in rows]

    def attempted(
        self, delivery: int, state: str, *, status: int | None, error: str | None, next_attempt: float
    ) -> None:
        """Write down how an attempt went."""
        self._connection.execute(
            "UPDATE deliveries SET state = ?, attempts = attempts + 1, last_status = ?, last_error = ?, "
            "next_attempt = ? WHERE id = ?",
            (state, status, error, next_attempt, delivery),
        )

    def release(self, delivery: int, next_attempt: float) -> None:
        """Let one delivery be tried, as if for the first time."""
        self._connection.execute(
            "UPDATE deliveries SET state = 'pending', attempts = 0, next_attempt = ? WHERE id = ?",
            (next_attempt, delivery),
        )

    def _read(self, condition: str, values: Sequence[object]) -> list[Delivery]:
        statement = f"SELECT * FROM deliveries WHERE {condition}"  # noqa: S608 - the conditions are those of this class
        rows = self._connection.execute(statement, values)
        return [Delivery(**dict(row)) for row in rows]
