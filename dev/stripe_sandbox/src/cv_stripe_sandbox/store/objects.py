"""Stripe's objects as JSON rows, oldest first by `seq`."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from cv_stripe_sandbox.errors import StripeError, missing_object
from cv_stripe_sandbox.shapes import Json

NOUNS = {
    "billing_portal.configuration": "configuration",
    "billing_portal.session": "portal session",
    "payment_intent": "payment_intent",
    "payment_method": "PaymentMethod",
}
"""How Stripe's messages call an object, where that is not its name."""


class Objects:
    """Reads and writes within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, body: Json, *, private: Json | None = None) -> Json:
        """Store a new object; `private` is what Stripe remembers and never shows."""
        self._connection.execute(
            "INSERT INTO objects (id, kind, body, private) VALUES (?, ?, ?, ?)",
            (body["id"], body["object"], json.dumps(body), json.dumps(private or {})),
        )
        return body

    def save(self, body: Json) -> Json:
        """Store the new state of a known object."""
        self._connection.execute("UPDATE objects SET body = ? WHERE id = ?", (json.dumps(body), body["id"]))
        return body

    def retire(self, body: Json, kind: str) -> Json:
        """Replace a known object by what is left of it; lists of its former kind no longer show it."""
        self.save(body)
        self._connection.execute("UPDATE objects SET kind = ? WHERE id = ?", (kind, body["id"]))
        return body

    def find(self, object_id: str, kind: str | None = None) -> Json | None:
        """The object of that id (and kind), or None."""
        row = self._connection.execute("SELECT kind, body FROM objects WHERE id = ?", (object_id,)).fetchone()
        if row is None or (kind is not None and row["kind"] != kind):
            return None
        body: Json = json.loads(row["body"])
        return body

    def get(self, object_id: str, kind: str, *, param: str | None = None) -> Json:
        """The object of that id, or Stripe's `No such ...` (naming `param` when a parameter asked for it)."""
        found = self.find(object_id, kind)
        if found is None:
            raise missing_object(NOUNS.get(kind, kind), object_id, param)
        return found

    def private(self, object_id: str) -> Json:
        """What was stored as `private` beside the object."""
        row = self._connection.execute("SELECT private FROM objects WHERE id = ?", (object_id,)).fetchone()
        remembered: Json = json.loads(row["private"])
        return remembered

    def remember(self, object_id: str, private: Json) -> None:
        """Replace what is `private` beside the object."""
        self._connection.execute("UPDATE objects SET private = ? WHERE id = ?", (json.dumps(private), object_id))

    def delete(self, object_id: str) -> None:
        """Forget the object entirely."""
        self._connection.execute("DELETE FROM objects WHERE id = ?", (object_id,))

    def select(self, kind: str, where: Mapping[str, Any] | None = None) -> list[Json]:
        """All objects of a kind, oldest first; `where` maps JSON paths (`payment.payment_intent`) to values."""
        conditions, values = _conditions(kind, where or {})
        statement = f"SELECT body FROM objects WHERE {conditions} ORDER BY seq"  # noqa: S608 - our paths, no values
        rows = self._connection.execute(statement, values)
        return [json.loads(row["body"]) for row in rows]

    def event_types(self, prefix: str) -> list[str]:
        """The types of recorded events that begin with `prefix`."""
        rows = self._connection.execute(
            "SELECT DISTINCT json_extract(body, '$.type') FROM objects WHERE kind = 'event'"
        )
        return [row[0] for row in rows if row[0].startswith(prefix)]

    def page(self, kind: str, where: Mapping[str, Any], params: Json) -> tuple[list[Json], bool]:
        """One page, newest first, by Stripe's `limit`, `starting_after`, `ending_before` and `created`.

        The second value tells whether more objects follow in the direction of reading.
        """
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise StripeError(f"Invalid limit: must be between 1 and 100, not {limit}.", param="limit")
        conditions, values = _conditions(kind, where)
        order = "DESC"
        for name, condition in (("starting_after", _AFTER), ("ending_before", _BEFORE)):
            if cursor := params.get(name):
                self.get(cursor, kind, param=name)
                conditions += condition
                values.append(cursor)
                order = "DESC" if condition == _AFTER else "ASC"
        created, created_values = _created(params.get("created"))
        places = f"{conditions}{created} ORDER BY seq {order} LIMIT ?"
        statement = f"SELECT body FROM objects WHERE {places}"  # noqa: S608 - our paths and words, no values
        rows = self._connection.execute(statement, [*values, *created_values, limit + 1]).fetchall()
        found = [json.loads(row["body"]) for row in rows[:limit]]
        return (found if order == "DESC" else found[::-1]), len(rows) > limit


_AFTER = " AND seq < (SELECT seq FROM objects WHERE id = ?)"
_BEFORE = " AND seq > (SELECT seq FROM objects WHERE id = ?)"


def _conditions(kind: str, where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    clauses, values = ["kind = ?"], [kind]
    for path, value in where.items():
        allowed = value if isinstance(value, list) else [value]
        clauses.append(f"json_extract(body, '$.{path}') IN ({', '.join('?' * len(allowed))})")
        values += allowed
    return " AND ".join(clauses), values


def _created(wanted: Json | int | None) -> tuple[str, list[int]]:
    if wanted is None:
        return "", []
    bounds = {"eq": wanted} if isinstance(wanted, int) else wanted
    signs = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    clauses = "".join(f" AND json_extract(body, '$.created') {signs[name]} ?" for name in bounds)
    return clauses, list(bounds.values())
