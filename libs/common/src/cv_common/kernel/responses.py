"""JSON responses."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from cv_common.kernel.serialization import dump_json

PRIVATE_FILE_HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Headers of a file that only its unguessable name protects: no cache stores it, no `Referer` reveals its name."""


class JSONResponse(Response):
    """A JSON response rendered by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return dump_json(content)


def json_array(
    begin: Sequence[bytes], rest: AsyncIterator[Sequence[bytes]] | None, headers: Mapping[str, str]
) -> Response:
    """Return a JSON array of items that are JSON already: `begin`, then the batches of `rest`, streamed."""
    start = b"[" + b",".join(begin)
    if rest is None:
        return Response(start + b"]", headers=headers, media_type=JSONResponse.media_type)

    async def chunks() -> AsyncIterator[bytes]:
        yield start
        async for items in rest:
            yield b"".join(b"," + item for item in items)
        yield b"]"

    return StreamingResponse(chunks(), headers=headers, media_type=JSONResponse.media_type)


def no_content() -> Response:
    """Return an empty response with the status 204."""
    return Response(status_code=204)
