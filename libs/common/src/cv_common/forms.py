"""Forms, urlencoded or multipart, as the plain data that JSON would have been."""

import re
from typing import Any

from starlette.datastructures import FormData


class FormText(str):
    """A text from a form, where an empty one can also mean null, and a list comes as JSON."""

    __slots__ = ()


_ENTRY = re.compile(r"(?P<section>\w+)\[(?P<place>\d{1,3})\]\.?\[?(?P<field>\w+)\]?")


def form_data(form: FormData) -> dict[str, Any]:
    """A form as plain data; `section[0]field` (or `section[0].field`) makes lists of objects, as in DRF."""
    data: dict[str, Any] = {}
    entries: dict[str, dict[int, dict[str, Any]]] = {}
    for name, value in form.multi_items():
        plain = FormText(value) if isinstance(value, str) else value
        if found := _ENTRY.fullmatch(name):
            places = entries.setdefault(found["section"], {})
            places.setdefault(int(found["place"]), {})[found["field"]] = plain
        else:
            data[name] = plain
    return data | {section: [places[place] for place in sorted(places)] for section, places in entries.items()}
