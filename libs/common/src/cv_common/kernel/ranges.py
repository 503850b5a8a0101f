"""Responses with a file or a range of its bytes (RFC 9110, section 14). PDF viewers request one range at a time."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from cv_common.kernel.errors import RangeNotSatisfiable
from cv_common.kernel.etag import etag_of

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


def file_response(request: Request, content: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """Return a response with `content`, or with the bytes that `Range` names. Ignores several ranges and invalid ones.

    `If-Range` must equal the entity tag. Raises RangeNotSatisfiable, which includes `headers`.
    """
    etag, size = etag_of(content), len(content)
    headers = {**headers, "Accept-Ranges": "bytes", "ETag": etag}
    requested = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if requested is None or request.headers.get("if-range", etag) != etag:
        return Response(content, media_type=media_type, headers=headers)
    part = _byte_range(requested[1], requested[2], size)
    if part is None:
        return Response(content, media_type=media_type, headers=headers)
    if not part:
        raise RangeNotSatisfiable(headers={**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return Response(content[part.start : part.stop], status_code=206, media_type=media_type, headers=headers)


def _byte_range(first: str, last: str, size: int) -> range | None:
    """Return the positions that `first`-`last` selects, possibly none; None if the range is invalid."""
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)
