"""Edits of a section: entries keep their ids, and JSON values are compared."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from cv_common.kernel.serialization import dump_json

from cv_resumes.domain.content import MAX_ORDER, Entry


def reconcile_section(stored: Sequence[Entry], sent: Sequence[Entry]) -> list[Entry]:
    """The entries that replace `stored` when a request sends `sent`, sorted by `order`.

    An entry keeps its stored id when it is sent with that id, or when its content equals a stored entry's at any
    position. Every other entry gets the `id` None and needs a new one: unknown ids and repeated ids are ignored. An
    entry without an `order` gets the order of its predecessor in `sent` plus one, and the first entry gets 0.
    """
    unclaimed = {entry["id"]: entry for entry in stored}
    result = [
        {**entry, "id": unclaimed.pop(entry["id"])["id"] if entry.get("id") in unclaimed else None} for entry in sent
    ]
    for entry in result:
        if entry["id"] is None:
            entry["id"] = next((known for known, other in unclaimed.items() if _has_equal_content(entry, other)), None)
            unclaimed.pop(entry["id"], None)
    next_order = 0
    for entry in result:
        if entry.get("order") is None:
            entry["order"] = next_order
        next_order = min(entry["order"] + 1, MAX_ORDER)
    return sorted(result, key=lambda entry: entry["order"])


def _has_equal_content(one: Entry, other: Entry) -> bool:
    """Whether two entries are equal apart from id and order. A missing key equals null."""
    ignored = {"id", "order"}
    return all(one.get(key) == other.get(key) for key in (one.keys() | other.keys()) - ignored)


def assign_ids(entries: Iterable[Entry], new_ids: Iterable[int]) -> list[Entry]:
    """`entries` with the next of `new_ids` where the id is missing."""
    ids = iter(new_ids)
    return [{**entry, "id": next(ids) if entry["id"] is None else entry["id"]} for entry in entries]


def count_missing_ids(entries: Iterable[Entry]) -> int:
    """How many entries need a new id."""
    return sum(entry["id"] is None for entry in entries)


def json_equal(one: Any, other: Any, *, ordered_keys: bool = False) -> bool:
    """Whether two values are the same JSON. Python's `==` alone takes `1`, `1.0` and `True` for equal.

    `ordered_keys`: objects are equal only if their keys have the same order.
    """
    sort_keys = not ordered_keys
    return bool(one == other) and json.dumps(one, sort_keys=sort_keys) == json.dumps(other, sort_keys=sort_keys)


def size_of(value: Any) -> int:
    """Bytes of a value as JSON."""
    return len(dump_json(value))
