"""Stripe's objects as rows of JSON. `seq` is their order of creation."""

# ruff: noqa: S608 - kinds and paths are constants of this module, values are bound

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
"""The names of objects in Stripe's messages, where they differ from the `object` field."""


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
"""The JSON paths that objects of a kind can be filtered by, the most selective first. Each has an index. Other paths
raise KeyError, because a query would read every object of the kind."""

DUE_TIMES: dict[str, tuple[str, ...]] = {
    "checkout.session": ("expires_at",),
    "invoice": ("next_payment_attempt",),
    "subscription": ("cancel_at", "items.data[0].current_period_end"),
}
"""The JSON paths of the times at which an object becomes due. Each has an index, together with the status."""


def create_index_statements() -> list[str]:
    """Return the statements that create the indexes of FILTERS and DUE_TIMES, in the order of pages."""
    described = [
        *((kind, [path, "created"]) for kind, paths in FILTERS.items() for path in paths),
        *((kind, ["status", path]) for kind, paths in DUE_TIMES.items() for path in paths),
    ]
    statements = [
        "CREATE INDEX IF NOT EXISTS objects_by_kind_and_time ON objects (kind, json_extract(body, '$.created'))"
    ]
    for kind, paths in described:
        columns = ", ".join(map(_column, paths))
        name = _index_name(kind, *paths)
        statements.append(f"CREATE INDEX IF NOT EXISTS {name} ON objects ({columns}) WHERE kind = '{kind}'")
    return statements


class Objects:
    """The queries of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, body: Json, *, private: Json | None = None) -> Json:
        """Store a new object. `private` is data that the API never shows."""
        self._connection.execute(
            "INSERT INTO objects (id, kind, body, private) VALUES (?, ?, ?, ?)",
            (body["id"], body["object"], json.dumps(body), json.dumps(private or {})),
        )
        return body

    def save(self, body: Json) -> Json:
        """Store the new state of an object."""
        self._connection.execute("UPDATE objects SET body = ? WHERE id = ?", (json.dumps(body), body["id"]))
        return body

    def replace_deleted(self, body: Json, kind: str) -> Json:
        """Replace an object by the remains of a deleted one, under another kind, so that lists no longer show it."""
        self.save(body)
        self._connection.execute("UPDATE objects SET kind = ? WHERE id = ?", (kind, body["id"]))
        return body

    def find(self, object_id: str, kind: str | None = None) -> Json | None:
        """Return the object with this id (and kind), or None."""
        row = self._connection.execute("SELECT kind, body FROM objects WHERE id = ?", (object_id,)).fetchone()
        if row is None or (kind is not None and row["kind"] != kind):
            return None
        body: Json = json.loads(row["body"])
        return body

    def get(self, object_id: str, kind: str, *, param: str | None = None) -> Json:
        """Return an object by id. Raises Stripe's `No such ...`, with `param` if a parameter named the object."""
        found = self.find(object_id, kind)
        if found is None:
            raise missing_object(NOUNS.get(kind, kind), object_id, param)
        return found

    def get_private(self, object_id: str) -> Json:
        """Return the private data of an object."""
        row = self._connection.execute("SELECT private FROM objects WHERE id = ?", (object_id,)).fetchone()
        private: Json = json.loads(row["private"])
        return private

    def set_private(self, object_id: str, private: Json) -> None:
        """Replace the private data of an object."""
        self._connection.execute("UPDATE objects SET private = ? WHERE id = ?", (json.dumps(private), object_id))

    def delete(self, object_id: str) -> None:
        """Delete an object without remains."""
        self._connection.execute("DELETE FROM objects WHERE id = ?", (object_id,))

    def select(self, kind: str, where: Mapping[str, Any] | None = None) -> list[Json]:
        """Return all objects of a kind, oldest first. `where` maps paths of FILTERS to a value or a list of values."""
        conditions, values = _conditions(kind, where or {})
        return self._read(f"{conditions} ORDER BY seq", values)

    def list_due(self, kind: str, moment: str, statuses: Sequence[str], now: int) -> list[Json]:
        """Return the objects in one of these statuses whose time at `moment`, a path of DUE_TIMES, has passed."""
        if moment not in DUE_TIMES[kind]:
            raise KeyError(moment)
        places = f"kind = '{kind}' AND {_column('status')} = ? AND {_column(moment)} <= ? ORDER BY seq"
        return [body for status in statuses for body in self._read(places, [status, now])]

    def event_types(self, prefix: str) -> list[str]:
        """Return the types of recorded events that start with `prefix`. Each is one lookup in the index."""
        found: list[str] = []
        last = prefix
        while True:
            row = self._connection.execute(
                f"SELECT {_column('type')} FROM objects INDEXED BY {_index_name('event', 'type', 'created')} "
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
        """Return one page, newest first, by Stripe's `limit`, `starting_after`, `ending_before` and `created`.

        `where` is as in `select`, and may contain `id`. Objects with an id in `without` are left out. The second value
        says whether there are more objects in the direction of reading.
        """
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise StripeError(f"Invalid limit: must be between 1 and 100, not {limit}.", param="limit")
        bounds, bound_values = _created_conditions(params.get("created"))
        if without:
            bounds += " AND id NOT IN (SELECT value FROM json_each(?))"
            bound_values.append(json.dumps(without))
        order, ranges = self._ranges(kind, params)
        found: list[tuple[int, int, Json]] = []
        # One query for each value: for several, SQLite would sort all matches before it returns the first.
        for one, (of_range, range_values) in itertools.product(_split_values(kind, where), ranges):
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
        """Return the direction, and the conditions for rows beyond the cursor: of the same second, and others."""
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


def _index_name(kind: str, *paths: str) -> str:
    return f'"{kind} by {" and ".join(paths)}"'


def _column(path: str) -> str:
    return f"json_extract(body, '$.{path}')"


def _by_selectivity(kind: str, where: Mapping[str, Any]) -> list[str]:
    """Return the paths of a filter, the most selective first. Raises KeyError for a path without an index."""
    order = {path: rank for rank, path in enumerate(("id", *FILTERS[kind]))}
    return sorted(where, key=lambda path: order[path])


def _split_values(kind: str, where: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Split a filter into filters that each have one value for the most selective path."""
    paths = _by_selectivity(kind, where)
    if not paths or paths[0] == "id" or not isinstance(where[paths[0]], list):
        return [where]
    return [{**where, paths[0]: value} for value in dict.fromkeys(where[paths[0]])]


def _conditions(kind: str, where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return the SQL of a filter. A `+` makes SQLite use the index of the most selective path and no other."""
    clauses, values = [f"kind = '{kind}'"], []
    for rank, path in enumerate(_by_selectivity(kind, where)):
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


def _created_conditions(requested: Json | int | None) -> tuple[str, list[Any]]:
    if requested is None:
        return "", []
    bounds = {"eq": requested} if isinstance(requested, int) else requested
    signs = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    clauses = "".join(f" AND {_column('created')} {signs[name]} ?" for name in bounds)
    return clauses, list(bounds.values())
