"""Compares responses with the document's examples: generated values by their format, all others exactly."""

import re
from typing import Any

_DOCUMENTED_BASE = "http://localhost:8000"
_ID = r"[1-9]\d*"
_TIMESTAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_TOKEN = r"[\w-]{20,}\.[\w-]{20,}\.[\w-]{80,}"
_SEGMENT = r"[\w-]{22,}"

_GENERATED = {
    "id": _ID,
    "user": _ID,
    "session_id": r"[\w-]{32}",
    "created_at": _TIMESTAMP,
    "updated_at": _TIMESTAMP,
    "last_accessed": _TIMESTAMP,
    "subscription_end_date": _TIMESTAMP,
    "access": _TOKEN,
    "refresh": _TOKEN,
    "photo": rf"BASE/media/resumes/photos/{_SEGMENT}\.jpg",
    "pdf_url": rf"BASE/media/resumes/pdfs/{_SEGMENT}/[a-z_]+_cv_\d{{8}}(_watermarked)?\.pdf",
    "template_html": r"<!DOCTYPE html>\n<html[^>]*>\n<head>.*</head>\n<body[^>]*>.*</body>\n</html>\n?",
    "template_css": r".*\{[^}]+\}.*",
}
"""Fields with generated values. Where the example has null, the response must have null too."""


def differences(got: Any, expected: Any, base_url: str, where: str = "answer") -> list[str]:
    """Return the differences between a response and its example, one per line. Additional fields are differences.

    `base_url` is the running system's, where the example has the documented one.
    """
    if isinstance(expected, dict) and isinstance(got, dict):
        return _differences_of_objects(got, expected, base_url, where)
    if isinstance(expected, list) and isinstance(got, list) and len(got) == len(expected):
        pairs = enumerate(zip(got, expected, strict=True))
        return [line for at, pair in pairs for line in differences(*pair, base_url, f"{where}[{at}]")]
    if isinstance(expected, str) and expected.startswith(_DOCUMENTED_BASE):
        expected = base_url + expected.removeprefix(_DOCUMENTED_BASE)
    # True == 1 and 1.0 == 1, so compare the types too.
    return [] if type(got) is type(expected) and got == expected else [f"{where}: {got!r}, not {expected!r}"]


def _differences_of_objects(got: dict[str, Any], expected: dict[str, Any], base_url: str, where: str) -> list[str]:
    found = [f"{where}: no {name}" for name in expected.keys() - got.keys()]
    found += [f"{where}: {name} is not documented" for name in got.keys() - expected.keys()]
    for name in expected.keys() & got.keys():
        if name in _GENERATED and isinstance(expected[name], str | int):
            found += _format_differences(got[name], expected[name], _GENERATED[name], base_url, f"{where}.{name}")
        else:
            found += differences(got[name], expected[name], base_url, f"{where}.{name}")
    return found


def _format_differences(got: Any, expected: Any, shape: str, base_url: str, where: str) -> list[str]:
    pattern = shape.replace("BASE", re.escape(base_url))
    is_alike = type(got) is type(expected) and re.fullmatch(pattern, str(got), re.ASCII | re.DOTALL)
    return [] if is_alike else [f"{where}: {got!r} is no {shape}"]
