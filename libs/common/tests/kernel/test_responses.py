"""JSON responses and entity tags."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cv_common.kernel.etag import etag_of, names_etag
from cv_common.kernel.responses import no_content
from cv_common.kernel.serialization import dump_json, load_json, timestamp
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def test_datetimes_and_dates_have_the_contracts_formats() -> None:
    moment = datetime(2025, 10, 29, 10, 30, 0, 999_999, UTC)
    written = dump_json({"utc": moment, "zone": moment.astimezone(ZoneInfo("UTC")), "day": date(2020, 1, 15)})
    assert written == b'{"utc":"2025-10-29T10:30:00Z","zone":"2025-10-29T10:30:00Z","day":"2020-01-15"}'
    assert timestamp(moment.astimezone(timezone(timedelta(hours=2)))) == "2025-10-29T10:30:00Z"


def test_json_is_utf_8_and_may_contain_huge_numbers() -> None:
    assert dump_json(["é😀\u202e"]) == '["é😀\u202e"]'.encode()
    moment = datetime(2025, 10, 29, 10, 30, tzinfo=UTC)
    assert json.loads(dump_json({"n": [10**30, -(10**30)], "at": moment})) == {
        "n": [10**30, -(10**30)],
        "at": "2025-10-29T10:30:00Z",
    }
    with pytest.raises(TypeError):
        dump_json(object())


@given(JSON)
def test_json_survives_a_round_trip(content: Any) -> None:
    assert load_json(dump_json(content)) == content


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 12345678901234567890123])
def test_integers_are_not_rounded(number: int) -> None:
    read = load_json(dump_json({"n": [number]}))["n"][0]
    assert (read, type(read)) == (number, int)


def test_no_content_is_empty() -> None:
    assert (no_content().status_code, no_content().body) == (204, b"")


def test_equal_contents_have_equal_etags() -> None:
    assert etag_of(b"a") == etag_of(b"a") != etag_of(b"b")
    assert etag_of(b"").startswith('"')


@pytest.mark.parametrize(
    ("held", "current"),
    [
        (None, False),
        ("", False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b" ,W/"a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
        ('"a', False),
        (", ,", False),
    ],
)
@pytest.mark.parametrize("etag", ['"a"', 'W/"a"'])
def test_conditional_headers_match_etags(held: str | None, current: bool, etag: str) -> None:
    assert names_etag(held, etag) is current
