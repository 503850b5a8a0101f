"""Files that are sent whole or in part: viewers of PDFs ask for one range of bytes at a time (RFC 9110, section 14)."""

import re
from collections.abc import Mapping

from cv_common.kernel.errors import RangeNotSatisfiable
from cv_common.kernel.etag import etag_of
from starlette.requests import Request
from starlette.responses import Response

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


def file_response(request: Request, content: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """`content`, or the bytes of it that `Range` asks for; a range that is no single one is ignored.

    `If-Range` holds for the very same bytes only. Raises RangeNotSatisfiable, with `headers` too.
    """
    etag, size = etag_of(content), len(content)
    headers = {**headers, "Accept-Ranges": "bytes", "ETag": etag}
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or request.headers.get("if-range", etag) != etag:
        return Response(content, media_type=media_type, headers=headers)
    part = _part(asked[1], asked[2], size)
    if part is None:
        return Response(content, media_type=media_type, headers=headers)
    if not part:
        raise RangeNotSatisfiable({**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return Response(content[part.start : part.stop], status_code=206, media_type=media_type, headers=headers)


def _part(first: str, last: str, size: int) -> range | None:
    """The bytes that `first`-`last` means of so many, perhaps none; None if it means nothing."""
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)
