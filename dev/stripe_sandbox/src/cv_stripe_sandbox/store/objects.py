"""Stripe's objects as JSON rows, oldest first by `seq`."""

# ruff: noqa: S608 - kinds and paths are those of this module, values are bound

import itertools
import json
import sqlite3
from collections.abc import Mapping, Sequence
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


FILTERS: dict[str, tuple[str, ...]] = {
    "billing_portal.configuration": ("is_default", "active"),
    "billing_portal.session": ("url",),
    "charge": ("payment_intent", "receipt_url", "customer"),
    "checkout.session": ("payment_intent", "subscription", "customer", "customer_details.email", "status"),
    "coupon": (),
    "customer": ("email",),
    "discount": ("customer",),
    "dispute": ("charge", "payment_intent"),
    "event": ("type",),
    "invoice": ("parent.subscription_details.subscription", "customer", "status"),
    "invoice_payment": ("payment.payment_intent", "invoice", "status"),
    "payment_intent": ("customer",),
    "payment_method": ("customer",),
    "price": ("lookup_key", "product", "type", "currency", "active"),
    "promotion_code": ("code", "active"),
    "product": ("url", "active"),
    "refund": ("charge", "payment_intent", "customer"),
    "subscription": ("customer", "items.data[0].price.id", "status"),
    "webhook_endpoint": ("status",),
}
"""The JSON paths by which objects of a kind are looked up, the most selective first. Each has an index, and by no
other path can anything be looked up: a list would read every object of its kind."""

MOMENTS: dict[str, tuple[str, ...]] = {
    "checkout.session": ("expires_at",),
    "invoice": ("next_payment_attempt",),
    "subscription": ("cancel_at", "items.data[0].current_period_end"),
}
"""The JSON paths of the times at which something becomes due, for objects in a given status."""


def indexes() -> list[str]:
    """The statements that make the indexes of FILTERS and MOMENTS, within each in the order of pages."""
    described = [
        *((kind, [path, "created"]) for kind, paths in FILTERS.items() for path in paths),
        *((kind, ["status", path]) for kind, paths in MOMENTS.items() for path in paths),
    ]
    statements = [
        "CREATE INDEX IF NOT EXISTS objects_by_kind_and_time ON objects (kind, json_extract(body, '$.created'))"
    ]
    for kind, paths in described:
        columns = ", ".join(map(_column, paths))
        name = _index(kind, *paths)
        statements.append(f"CREATE INDEX IF NOT EXISTS {name} ON objects ({columns}) WHERE kind = '{kind}'")
    return statements


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
        """All objects of a kind, oldest first; `where` maps paths of FILTERS to a value, or to a list of values."""
        conditions, values = _conditions(kind, where or {})
        return self._read(f"{conditions} ORDER BY seq", values)

    def due(self, kind: str, moment: str, statuses: Sequence[str], now: int) -> list[Json]:
        """Objects in one of these statuses for which a path of MOMENTS names a time that has come."""
        if moment not in MOMENTS[kind]:
            raise KeyError(moment)
        places = f"kind = '{kind}' AND {_column('status')} = ? AND {_column(moment)} <= ? ORDER BY seq"
        return [body for status in statuses for body in self._read(places, [status, now])]

    def event_types(self, prefix: str) -> list[str]:
        """The types of recorded events that begin with `prefix`, found one after the other in their index."""
        found: list[str] = []
        last = prefix
        while True:
            row = self._connection.execute(
                f"SELECT {_column('type')} FROM objects INDEXED BY {_index('event', 'type', 'created')} "
                f"WHERE kind = 'event' AND {_column('type')} > ? ORDER BY {_column('type')} LIMIT 1",
                [last],
            ).fetchone()
            if row is None or not row[0].startswith(prefix):
                return found
            last = str(row[0])
            found.append(last)

    def page(
        self, kind: str, where: Mapping[str, Any], params: Json, *, without: Sequence[str] = ()
    ) -> tuple[list[Json], bool]:
        """One page, newest first, by Stripe's `limit`, `starting_after`, `ending_before` and `created`.

        `where` is that of `select`, and may name `id` too; objects whose ids are in `without` are left out. The second
        value tells whether more objects follow in the direction of reading.
        """
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise StripeError(f"Invalid limit: must be between 1 and 100, not {limit}.", param="limit")
        bounds, bound_values = _created(params.get("created"))
        if without:
            bounds += " AND id NOT IN (SELECT value FROM json_each(?))"
            bound_values.append(json.dumps(without))
        order, ranges = self._ranges(kind, params)
        found: list[tuple[int, int, Json]] = []
        # Value by value, because SQLite would sort all that match one of several before it takes the first.
        for one, (of_range, range_values) in itertools.product(_single(kind, where), ranges):
            conditions, values = _conditions(kind, one)
            rows = self._connection.execute(
                f"SELECT {_column('created')} AS created, seq, body FROM objects WHERE {conditions}{bounds}{of_range} "
                f"ORDER BY {_column('created')} {order}, seq {order} LIMIT ?",
                [*values, *bound_values, *range_values, limit + 1],
            )
            found += [(row["created"], row["seq"], json.loads(row["body"])) for row in rows]
        found.sort(key=lambda row: row[:2], reverse=order == "DESC")
        shown = [body for _, _, body in found[:limit]]
        return (shown if order == "DESC" else shown[::-1]), len(found) > limit

    def _ranges(self, kind: str, params: Json) -> tuple[str, list[tuple[str, list[Any]]]]:
        """The direction of reading, and the conditions for what lies beyond the cursor: in its second, and further."""
        for name, order, sign in (("starting_after", "DESC", "<"), ("ending_before", "ASC", ">")):
            if cursor := params.get(name):
                created = self.get(cursor, kind, param=name)["created"]
                row = self._connection.execute("SELECT seq FROM objects WHERE id = ?", (cursor,)).fetchone()
                near = f" AND {_column('created')} = ? AND seq {sign} ?", [created, row["seq"]]
                return order, [near, (f" AND {_column('created')} {sign} ?", [created])]
        return "DESC", [("", [])]

    def _read(self, places: str, values: Sequence[Any]) -> list[Json]:
        rows = self._connection.execute(f"SELECT body FROM objects WHERE {places}", values)
        return [json.loads(row["body"]) for row in rows]


def _index(kind: str, *paths: str) -> str:
    return f'"{kind} by {" and ".join(paths)}"'


def _column(path: str) -> str:
    return f"json_extract(body, '$.{path}')"


def _ranked(kind: str, where: Mapping[str, Any]) -> list[str]:
    """The paths of a filter, the most selective first. KeyError for a path that has no index."""
    order = {path: rank for rank, path in enumerate(("id", *FILTERS[kind]))}
    return sorted(where, key=lambda path: order[path])


def _single(kind: str, where: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Filters that together find the same, of which each has one value for its most selective path."""
    paths = _ranked(kind, where)
    if not paths or paths[0] == "id" or not isinstance(where[paths[0]], list):
        return [where]
    return [{**where, paths[0]: value} for value in dict.fromkeys(where[paths[0]])]


def _conditions(kind: str, where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The most selective path finds the rows by its index; a `+` keeps SQLite from choosing another one."""
    clauses, values = [f"kind = '{kind}'"], []
    for rank, path in enumerate(_ranked(kind, where)):
        column = f"{'+' if rank else ''}{'id' if path == 'id' else _column(path)}"
        if path == "id":
            clauses[0] = f"+{clauses[0]}"
        if isinstance(where[path], list):
            clauses.append(f"{column} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(where[path]))
        else:
            clauses.append(f"{column} = ?")
            values.append(where[path])
    return " AND ".join(clauses), values


def _created(wanted: Json | int | None) -> tuple[str, list[Any]]:
    if wanted is None:
        return "", []
    bounds = {"eq": wanted} if isinstance(wanted, int) else wanted
    signs = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    clauses = "".join(f" AND {_column('created')} {signs[name]} ?" for name in bounds)
    return clauses, list(bounds.values())
