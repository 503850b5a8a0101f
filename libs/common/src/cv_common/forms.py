"""Forms, urlencoded or multipart, as the plain data that JSON would have been."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from cv_common.errors import BadRequest
from cv_common.fields import FormText

_ENTRY = re.compile(r"(?P<section>\w+)\[(?P<place>\d{1,3})\]\.?\[?(?P<field>\w+)\]?")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of a multipart body, whole; the gateway limits how large bodies are."""

    name: str
    content: bytes


async def read_form(request: Request) -> dict[str, Any]:
    """A form as plain data; `section[0]field` (or `section[0].field`) makes lists of objects, as in DRF."""
    data: dict[str, Any] = {}
    entries: dict[str, dict[int, dict[str, Any]]] = {}
    async with _parsed(request) as form:
        for name, value in form.multi_items():
            plain = await _plain(value)
            if found := _ENTRY.fullmatch(name):
                places = entries.setdefault(found["section"], {})
                places.setdefault(int(found["place"]), {})[found["field"]] = plain
            else:
                data[name] = plain
    return data | {section: [places[place] for place in sorted(places)] for section, places in entries.items()}


@asynccontextmanager
async def _parsed(request: Request) -> AsyncIterator[FormData]:
    try:
        async with request.form() as form:
            yield form
    except HTTPException as error:
        raise BadRequest(f"Multipart form parse error - {error.detail}") from error
    except MultiPartException as error:  # the same, where no app is around the request
        raise BadRequest(f"Multipart form parse error - {error.message}") from error


async def _plain(value: UploadFile | str) -> UploadedFile | FormText:
    if isinstance(value, str):
        return FormText(value)
    return UploadedFile(value.filename or "", await value.read())
