"""JSON in the contract's formats: timestamps `YYYY-MM-DDTHH:MM:SSZ`, dates `YYYY-MM-DD`."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson

_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_FORMAT = orjson.OPT_OMIT_MICROSECONDS | orjson.OPT_UTC_Z


def dump_json(content: object) -> bytes:
    """Return `content` as JSON. Datetimes are in UTC and whole seconds."""
    try:
        return orjson.dumps(content, option=_FORMAT)
    except TypeError:  # orjson rejects integers over 64 bits, which free lists of a CV may contain
        return json.dumps(content, default=_serialize, separators=(",", ":")).encode()


def load_json(raw: bytes | str) -> Any:
    """Parse JSON. Uses the slower `json` for integers that may have more than 64 bits, which orjson would round."""
    encoded = raw.encode() if isinstance(raw, str) else raw
    return json.loads(encoded) if b"0" * 19 in encoded.translate(_DIGITS) else orjson.loads(encoded)


def _serialize(value: object) -> str:
    if isinstance(value, datetime):
        return timestamp(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def timestamp(moment: datetime) -> str:
    """Format an aware datetime as `YYYY-MM-DDTHH:MM:SSZ`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
