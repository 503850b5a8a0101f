"""Forms, urlencoded or multipart, as the plain data that JSON would have been."""

import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from cv_common.drf.charsets import charset_of
from cv_common.drf.fields import FormText, UntouchedFileInput
from cv_common.kernel.errors import BadRequest
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

MAX_FIELDS = 1000
"""Of one form, as in Django."""

_ENTRY = re.compile(r"(?P<section>\w+)\[(?P<place>[0-9]{1,9})\]\.?\[?(?P<field>\w+)\]?")
_BOUNDARY = re.compile(r"[ -~]{0,200}[!-~]")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of a multipart body, whole; the gateway limits how large bodies are."""

    name: str
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        """What messages call the file."""
        return self.name


_Item = tuple[str, UploadedFile | FormText]


async def read_urlencoded(request: Request) -> dict[str, Any]:
    """An urlencoded form as plain data. Raises BadRequest."""
    raw = await request.body()
    if not raw:
        return {}
    charset = charset_of(request.headers["content-type"])
    try:
        text = raw.decode(charset)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # as Django: some clients send what they did not say
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding=charset, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadRequest(f"Form parse error - Too many fields. Maximum number of fields is {MAX_FIELDS}.") from None
    return _plain((name, FormText(value)) for name, value in pairs)


async def read_multipart(request: Request) -> dict[str, Any]:
    """A multipart form as plain data, with its files whole. Raises BadRequest."""
    content_type = request.headers["content-type"]
    charset, boundary = charset_of(content_type), _boundary(content_type)
    # Starlette fails over some charsets, so it gets one that keeps every byte; `_decoded` applies the real one.
    quoted = boundary.replace("\\", "\\\\").replace('"', '\\"')
    headers = Headers({"content-type": f'multipart/form-data; charset=latin-1; boundary="{quoted}"'})
    parser = MultiPartParser(headers, _closed(request, boundary), max_fields=MAX_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _no_multipart(error.message) from error
    try:
        items = [item async for item in _items(form, charset)]
    finally:
        await form.close()
    # Of a text and a file of one name the file counts, whichever came last: as in DRF.
    return _plain(sorted(items, key=_precedence))


def _boundary(content_type: str) -> str:
    """What stands between the parts. Raises BadRequest with Django's words when there is none, or a strange one."""
    if not content_type.isascii():
        raise _no_multipart(f"Invalid non-ASCII Content-Type in multipart: {content_type}")
    found = parse_options_header(content_type)[1].get(b"boundary")
    boundary = None if found is None else found.decode("latin-1")
    if boundary is None or not _BOUNDARY.fullmatch(boundary):
        raise _no_multipart(f"Invalid boundary in multipart: {boundary}")
    return boundary


async def _closed(request: Request, boundary: str) -> AsyncGenerator[bytes, None]:
    """The body, and its end: where that was left out the parser would drop the last field; Django keeps it.

    What follows the end of a body that has one is skipped.
    """
    async for chunk in request.stream():
        yield chunk
    yield f"\r\n--{boundary}--\r\n".encode("ascii")


async def _items(form: FormData, charset: str) -> AsyncGenerator[_Item, None]:
    for raw_name, value in form.multi_items():
        name = _decoded(raw_name, charset).strip()
        if isinstance(value, str):
            yield name, FormText(_decoded(value, charset))
            continue
        content = await value.read()
        if value.filename:
            yield name, UploadedFile(_decoded(value.filename, charset), content)
        elif content:  # to Django a part with an empty file name is a text
            yield name, FormText(content.decode(charset, "replace"))
        else:
            yield name, UntouchedFileInput()


def _precedence(item: _Item) -> int:
    """Of several values of one name the one with the highest precedence counts."""
    if isinstance(item[1], UploadedFile):
        return 2
    return 0 if isinstance(item[1], UntouchedFileInput) else 1


def _decoded(latin: str, charset: str) -> str:
    return latin.encode("latin-1").decode(charset, "replace")


def _plain(items: Iterable[_Item]) -> dict[str, Any]:
    """The last value of each name; `section[0]field` (or `section[0].field`) makes lists of objects, as in DRF."""
    data: dict[str, Any] = {}
    entries: dict[str, dict[int, dict[str, Any]]] = {}
    for name, value in items:
        if found := _ENTRY.fullmatch(name):
            places = entries.setdefault(found["section"], {})
            places.setdefault(int(found["place"]), {})[found["field"]] = value
        else:
            data[name] = value
    return data | {section: [places[place] for place in sorted(places)] for section, places in entries.items()}


def _no_multipart(reason: str) -> BadRequest:
    return BadRequest(f"Multipart form parse error - {reason}")
