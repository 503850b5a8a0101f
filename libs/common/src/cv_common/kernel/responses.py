"""JSON answers in the contract's formats: timestamps `YYYY-MM-DDTHH:MM:SSZ`, dates `YYYY-MM-DD`."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

PRIVATE_FILE_HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Headers of a file that only its unguessable name protects: kept by nobody, told to nobody."""

_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_FORMAT = orjson.OPT_OMIT_MICROSECONDS | orjson.OPT_UTC_Z


def dump_json(content: Any) -> bytes:
    """`content` as JSON bytes; datetimes in UTC come out in whole seconds."""
    try:
        return orjson.dumps(content, option=_FORMAT)
    except TypeError:  # an integer beyond 64 bits, which the slower writer takes
        return json.dumps(content, default=_text_of, separators=(",", ":")).encode()


def load_json(raw: bytes | str) -> Any:
    """What `dump_json` wrote. An integer beyond 64 bits, which orjson would round, is left to the slower reader."""
    encoded = raw.encode() if isinstance(raw, str) else raw
    return json.loads(encoded) if b"0" * 19 in encoded.translate(_DIGITS) else orjson.loads(encoded)


def _text_of(value: Any) -> str:
    if isinstance(value, datetime):
        return timestamp(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def timestamp(moment: datetime) -> str:
    """An aware datetime as `YYYY-MM-DDTHH:MM:SSZ`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class JSONResponse(Response):
    """A JSON answer rendered by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return dump_json(content)


def json_array(
    begin: Sequence[bytes], rest: AsyncIterator[Sequence[bytes]] | None, headers: Mapping[str, str]
) -> Response:
    """An array of items that are JSON already: whole, or when there are more, sent on as they come."""
    opened = b"[" + b",".join(begin)
    if rest is None:
        return Response(opened + b"]", headers=headers, media_type=JSONResponse.media_type)

    async def pieces() -> AsyncIterator[bytes]:
        yield opened
        async for few in rest:
            yield b"".join(b"," + item for item in few)
        yield b"]"

    return StreamingResponse(pieces(), headers=headers, media_type=JSONResponse.media_type)


def no_content() -> Response:
    """204."""
    return Response(status_code=204)
