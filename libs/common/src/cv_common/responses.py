"""JSON answers in the contract's formats: timestamps `YYYY-MM-DDTHH:MM:SSZ`, dates `YYYY-MM-DD`."""

from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response

PRIVATE_FILE = {
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Headers of a file that only its unguessable name protects: kept by nobody, told to nobody."""

_FORMAT = orjson.OPT_OMIT_MICROSECONDS | orjson.OPT_UTC_Z


def dump_json(content: Any) -> bytes:
    """`content` as JSON bytes; aware datetimes come out in UTC, in whole seconds."""
    return orjson.dumps(content, option=_FORMAT)


def timestamp(moment: datetime) -> str:
    """An aware datetime as `YYYY-MM-DDTHH:MM:SSZ`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class JSONResponse(Response):
    """A JSON answer rendered by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return dump_json(content)


def no_content() -> Response:
    """204."""
    return Response(status_code=204)
