"""Ids in paths: a route `/resumes/{id:int}/` with a parameter `resume_id: Id`.

Importing this module limits Starlette's `int` convertor to 18 digits, which fit a bigint: a path with a longer number
matches no route and is 404. Without the limit, 4301 digits are a server error, because Python's int() rejects them.
"""

from typing import Annotated

from fastapi import Path
from starlette.convertors import IntegerConvertor, register_url_convertor

_DIGITS = 18


class _IdConvertor(IntegerConvertor):
    regex = f"[0-9]{{1,{_DIGITS}}}"


register_url_convertor("int", _IdConvertor())

Id = Annotated[int, Path(alias="id", ge=0, lt=10**_DIGITS)]
"""The type of a path parameter that is an id."""
