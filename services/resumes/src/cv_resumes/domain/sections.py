"""Edits of a section: entries keep their ids, and JSON values are compared."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from cv_common.kernel.serialization import dump_json

from cv_resumes.domain.content import MAX_ORDER, NumberedEntry


class SentEntry(TypedDict, total=False):
    """An entry of a request. It may lack what the server assigns."""

    id: int | None
    order: int | None


class OrderedEntry(TypedDict):
    """An entry of an edited section. One that is new has no id yet."""

    id: int | None
    order: int


def reconcile_section(stored: Sequence[NumberedEntry], sent: Sequence[SentEntry]) -> list[OrderedEntry]:
    """Return the entries that replace `stored` when a request sends `sent`, sorted by `order`.

    An entry keeps its stored id when it is sent with that id, or when its content equals a stored entry's at any
    position. Every other entry gets the `id` None and needs a new one: unknown ids and repeated ids are ignored. An
    entry without an `order` gets the order of its predecessor in `sent` plus one, and the first entry gets 0.
    """
    unclaimed: dict[int | None, NumberedEntry] = {entry["id"]: entry for entry in stored}
    kept = [unclaimed.pop(entry["id"])["id"] if entry.get("id") in unclaimed else None for entry in sent]
    result: list[OrderedEntry] = []
    next_order = 0
    for entry, entry_id in zip(sent, kept, strict=True):
        if entry_id is None:
            entry_id = _claim_equal(unclaimed, entry)
        order = entry.get("order")
        if order is None:
            order = next_order
        next_order = min(order + 1, MAX_ORDER)
        result.append({**entry, "id": entry_id, "order": order})
    return sorted(result, key=lambda entry: entry["order"])


def _claim_equal(unclaimed: dict[int | None, NumberedEntry], entry: SentEntry) -> int | None:
    """Remove an entry with equal content from `unclaimed`. Returns its id, or None."""
    for known, other in unclaimed.items():
        if _has_equal_content(entry, other):
            del unclaimed[known]
            return known
    return None


def _has_equal_content(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Return whether two entries are equal apart from id and order. A missing key equals null."""
    ignored = {"id", "order"}
    return all(one.get(key) == other.get(key) for key in (one.keys() | other.keys()) - ignored)


def assign_ids(entries: Iterable[OrderedEntry], new_ids: Iterable[int]) -> list[NumberedEntry]:
    """Return `entries` with the next of `new_ids` where the id is missing."""
    ids = iter(new_ids)
    return [{**entry, "id": next(ids) if entry["id"] is None else entry["id"]} for entry in entries]


def count_missing_ids(entries: Iterable[OrderedEntry]) -> int:
    """Count the entries that need a new id."""
    return sum(entry["id"] is None for entry in entries)


def json_equal(one: object, other: object, *, ordered_keys: bool = False) -> bool:
    """Return whether two values are the same JSON. Python's `==` alone takes `1`, `1.0` and `True` for equal.

    `ordered_keys`: objects are equal only if their keys have the same order.
    """
    sort_keys = not ordered_keys
    return bool(one == other) and json.dumps(one, sort_keys=sort_keys) == json.dumps(other, sort_keys=sort_keys)


def size_of(value: object) -> int:
    """Return the bytes of a value as JSON."""
    return len(dump_json(value))
