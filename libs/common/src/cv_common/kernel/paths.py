"""Ids in paths: `/resumes/{id:int}/` with a parameter `resume_id: Id`.

Starlette takes any number of digits for an int and fails, as a server error, on more than Python converts. From here
on a longer number than a database can hold names nothing: its path matches no route.
"""

from typing import Annotated

from fastapi import Path
from starlette.convertors import IntegerConvertor, register_url_convertor

_DIGITS = 18


class _IdConvertor(IntegerConvertor):
    regex = f"[0-9]{{1,{_DIGITS}}}"


register_url_convertor("int", _IdConvertor())

Id = Annotated[int, Path(alias="id", ge=0, lt=10**_DIGITS)]
"""The id of something, as a path has it."""
