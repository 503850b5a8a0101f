"""Readers of urlencoded and multipart forms. They return the same data as a JSON body."""

import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from cv_common.drf.charsets import charset_of
from cv_common.drf.fields import FormText, UntouchedFileInput
from cv_common.kernel.errors import BadRequest

MAX_FIELDS = 1000
"""The maximum of fields in one form, as in Django."""

_ENTRY = re.compile(r"(?P<section>\w+)\[(?P<index>[0-9]{1,9})\]\.?\[?(?P<field>\w+)\]?")
_BOUNDARY = re.compile(r"[ -~]{0,200}[!-~]")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of a multipart body. The gateway limits the size of bodies."""

    name: str
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        """Return the name for messages."""
        return self.name


_Item = tuple[str, UploadedFile | FormText]


async def read_urlencoded(request: Request) -> dict[str, Any]:
    """Return the data of an urlencoded form. Raises BadRequest."""
    raw = await request.body()
    if not raw:
        return {}
    charset = charset_of(request.headers["content-type"])
    try:
        text = raw.decode(charset)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # as Django does: some clients send another charset than they declare
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding=charset, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadRequest(f"Form parse error - Too many fields. Maximum number of fields is {MAX_FIELDS}.") from None
    return _nested((name, FormText(value)) for name, value in pairs)


async def read_multipart(request: Request) -> dict[str, Any]:
    """Return the data of a multipart form, including its files. Raises BadRequest."""
    content_type = request.headers["content-type"]
    charset, boundary = charset_of(content_type), _boundary(content_type)
    # Starlette fails on some charsets. Latin-1 preserves every byte; `_decoded` applies the real charset.
    quoted = boundary.replace("\\", "\\\\").replace('"', '\\"')
    headers = Headers({"content-type": f'multipart/form-data; charset=latin-1; boundary="{quoted}"'})
    parser = MultiPartParser(headers, _stream(request, boundary), max_fields=MAX_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _multipart_error(error.message) from error
    try:
        items = [item async for item in _items(form, charset)]
    finally:
        await form.close()
    # A file replaces a text of the same name, whatever their order: as in DRF.
    return _nested(sorted(items, key=_precedence))


def _boundary(content_type: str) -> str:
    """Return the boundary of the parts. Raises BadRequest with Django's message if it is missing or invalid."""
    if not content_type.isascii():
        raise _multipart_error(f"Invalid non-ASCII Content-Type in multipart: {content_type}")
    found = parse_options_header(content_type)[1].get(b"boundary")
    boundary = None if found is None else found.decode("latin-1")
    if boundary is None or not _BOUNDARY.fullmatch(boundary):
        raise _multipart_error(f"Invalid boundary in multipart: {boundary}")
    return boundary


async def _stream(request: Request, boundary: str) -> AsyncGenerator[bytes, None]:
    """Yield the body and a closing boundary: without one the parser would drop the last field, which Django keeps.

    The parser ignores the second closing boundary of a complete body.
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
        elif content:  # Django treats a part with an empty file name as a text
            yield name, FormText(content.decode(charset, "replace"))
        else:
            yield name, UntouchedFileInput()


def _precedence(item: _Item) -> int:
    """Return the sort key of an item: of several values of one name the last one counts."""
    if isinstance(item[1], UploadedFile):
        return 2
    return 0 if isinstance(item[1], UntouchedFileInput) else 1


def _decoded(text: str, charset: str) -> str:
    return text.encode("latin-1").decode(charset, "replace")


def _nested(items: Iterable[_Item]) -> dict[str, Any]:
    """Return the last value of each name, and lists of objects for `section[0]field` or `section[0].field`, as DRF."""
    data: dict[str, Any] = {}
    entries: dict[str, dict[int, dict[str, Any]]] = {}
    for name, value in items:
        if found := _ENTRY.fullmatch(name):
            section = entries.setdefault(found["section"], {})
            section.setdefault(int(found["index"]), {})[found["field"]] = value
        else:
            data[name] = value
    return data | {name: [section[index] for index in sorted(section)] for name, section in entries.items()}


def _multipart_error(reason: str) -> BadRequest:
    return BadRequest(f"Multipart form parse error - {reason}")
