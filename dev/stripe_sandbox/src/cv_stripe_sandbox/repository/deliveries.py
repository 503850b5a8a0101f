"""The durable queue of webhooks: one row for each event and endpoint.

States: `pending` (will be attempted at `next_attempt`), `held` (until sent by hand), `delivered` (the endpoint answered
2xx), `failed` (given up), `dropped` (never sent, as the controls demand).
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
    """The queries of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, event: str, endpoint: str, state: str, next_attempt: float) -> int:
        """Queue a delivery. Returns its id."""
        cursor = self._connection.execute(
            "INSERT INTO deliveries (event, endpoint, state, next_attempt) VALUES (?, ?, ?, ?)",
            (event, endpoint, state, next_attempt),
        )
        return int(cursor.lastrowid or 0)

    def list_due(self, now: float, limit: int, in_flight: Sequence[int]) -> list[Delivery]:
        """Return the pending deliveries that are due, except those that are being sent."""
        return self._read(
            "state = 'pending' AND next_attempt <= ? AND id NOT IN (SELECT value FROM json_each(?)) "
            "ORDER BY next_attempt, id LIMIT ?",
            [now, json.dumps(in_flight), limit],
        )

    def next_attempt(self, in_flight: Sequence[int]) -> float | None:
        """Return when the next pending delivery is due, as a Unix time, or None."""
        row = self._connection.execute(
            "SELECT min(next_attempt) FROM deliveries "
            "WHERE state = 'pending' AND id NOT IN (SELECT value FROM json_each(?))",
            [json.dumps(in_flight)],
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def list_by_event(self, event: str) -> list[Delivery]:
        """Return all deliveries of an event."""
        return self._read("event = ? ORDER BY id", [event])

    def list_page(self, state: str | None = None, *, after: int = 0, limit: int = -1) -> list[Delivery]:
        """Return up to `limit` deliveries with an id above `after`, oldest first, optionally those in one state."""
        chosen, values = ("", []) if state is None else ("state = ? AND ", [state])
        return self._read(f"{chosen}id > ? ORDER BY id LIMIT ?", [*values, after, limit])

    def list_undelivered_events(self) -> list[str]:
        """Return the ids of the events that at least one endpoint has not acknowledged."""
        rows = self._connection.execute(
            "SELECT DISTINCT event FROM deliveries WHERE state IN ('pending', 'held', 'failed', 'dropped')"
        )
        return [row["event"] for row in rows]

    def record_attempt(
        self, delivery: int, state: str, *, status: int | None, error: str | None, next_attempt: float
    ) -> None:
        """Record the result of an attempt."""
        self._connection.execute(
            "UPDATE deliveries SET state = ?, attempts = attempts + 1, last_status = ?, last_error = ?, "
            "next_attempt = ? WHERE id = ?",
            (state, status, error, next_attempt, delivery),
        )

    def release(self, delivery: int, next_attempt: float) -> None:
        """Make a delivery pending again, with no attempts."""
        self._connection.execute(
            "UPDATE deliveries SET state = 'pending', attempts = 0, next_attempt = ? WHERE id = ?",
            (next_attempt, delivery),
        )

    def _read(self, condition: str, values: Sequence[object]) -> list[Delivery]:
        statement = f"SELECT * FROM deliveries WHERE {condition}"  # noqa: S608 - the conditions are constants of this class
        rows = self._connection.execute(statement, values)
        return [Delivery(**dict(row)) for row in rows]
