"""The sections of a resume, and what an edit keeps of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

Entry = dict[str, Any]
"""One experience, education or skill, as JSON."""

ENTRY_SECTIONS = ("experiences", "education", "skills")
"""Sections whose entries have ids of ours."""
FREE_SECTIONS = ("languages_data", "certifications_data", "projects_data", "custom_sections")
"""Sections whose entries are stored and answered as they were sent, with their keys in the same order."""
SECTIONS = ENTRY_SECTIONS + FREE_SECTIONS
MAX_ENTRIES = 200
MAX_ORDER = 2_147_483_647
"""The highest `order` that a request may send: an entry must be accepted when it is sent back."""
MAX_DOCUMENT_BYTES = 256 * 1024
"""Most bytes of the sections and the summary, as JSON."""


def reconcile_section(stored: Sequence[Entry], sent: Sequence[Entry]) -> list[Entry]:
    """The section as it is after `sent` replaced `stored`, sorted by `order`.

    An entry keeps its stored id when it was sent back with that id, or when it says the same as a stored entry
    (whatever its place). Every other entry has `id` None and waits for a new one: ids of others, and an id sent
    twice, count for nothing. An entry without an `order` gets one more than its predecessor in `sent`, the first 0.
    """
    free = {entry["id"]: entry for entry in stored}
    result = [{**entry, "id": free.pop(entry["id"])["id"] if entry.get("id") in free else None} for entry in sent]
    for entry in result:
        if entry["id"] is None:
            entry["id"] = next((known for known, other in free.items() if _same(entry, other)), None)
            free.pop(entry["id"], None)
    next_order = 0
    for entry in result:
        if entry.get("order") is None:
            entry["order"] = next_order
        next_order = min(entry["order"] + 1, MAX_ORDER)
    return sorted(result, key=lambda entry: entry["order"])


def _same(one: Entry, other: Entry) -> bool:
    """Do two entries say the same, apart from where they stand?"""
    apart = {"id", "order"}
    return {k: v for k, v in one.items() if k not in apart} == {k: v for k, v in other.items() if k not in apart}


def number_entries(entries: Iterable[Entry], new_ids: Iterable[int]) -> list[Entry]:
    """`entries` with the next of `new_ids` where an id is missing, ids first."""
    ids = iter(new_ids)
    return [{**entry, "id": next(ids) if entry["id"] is None else entry["id"]} for entry in entries]


def missing_ids(entries: Iterable[Entry]) -> int:
    """How many entries wait for an id."""
    return sum(entry["id"] is None for entry in entries)


def excess(columns: Mapping[str, Any]) -> str | None:
    """What makes a resume with these columns more than a CV can be; None when nothing does."""
    sections = {section: columns.get(section, []) for section in SECTIONS}
    if any(len(entries) > MAX_ENTRIES for entries in sections.values()):
        return f"A section may have at most {MAX_ENTRIES} entries."
    if size_of({**sections, "summary": columns.get("summary")}) > MAX_DOCUMENT_BYTES:
        return f"A CV may have at most {MAX_DOCUMENT_BYTES // 1024} KB."
    return None


def says_same(one: Any, other: Any, *, keys_in_order: bool = False) -> bool:
    """Are two values the same JSON? To Python alone `1`, `1.0` and `true` would be.

    `keys_in_order`: objects are the same only when their keys have the same order.
    """
    sort_keys = not keys_in_order
    return bool(one == other) and json.dumps(one, sort_keys=sort_keys) == json.dumps(other, sort_keys=sort_keys)


def size_of(value: Any) -> int:
    """Bytes of a value as JSON."""
    try:
        return len(orjson.dumps(value))
    except TypeError:  # an integer beyond 64 bits, which the slower writer takes
        return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
