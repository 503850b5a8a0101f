"""Byte ranges, as PDF viewers and resumed downloads request them."""

from collections.abc import Mapping
from typing import Any

import pytest
from cv_common.kernel.errors import RangeNotSatisfiable
from cv_common.kernel.ranges import file_response
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

CONTENT = b"0123456789"


def sent(content: bytes = CONTENT, **headers: str) -> Response:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    request = Request({"type": "http", "method": "GET", "headers": raw})
    return file_response(request, content, "application/pdf", {"Cache-Control": "private, no-store"})


def about(headers: Mapping[str, str]) -> list[Any]:
    return [headers.get(name) for name in ("Content-Range", "Content-Length", "Accept-Ranges", "Cache-Control")]


@pytest.mark.parametrize(
    ("requested", "part", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-4", b"4", "bytes 4-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-99", b"789", "bytes 7-9/10"),
        ("bytes=0-999999999999999999", CONTENT, "bytes 0-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-99", CONTENT, "bytes 0-9/10"),
        ("Bytes=0-0", b"0", "bytes 0-0/10"),
    ],
)
def test_a_range_is_returned(requested: str, part: bytes, content_range: str) -> None:
    answer = sent(range=requested)
    assert (answer.status_code, answer.body) == (206, part)
    assert about(answer.headers) == [content_range, str(len(part)), "bytes", "private, no-store"]


@pytest.mark.parametrize("requested", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_outside_the_file_is_416_with_the_size(requested: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as raised:
        sent(range=requested)
    assert about(raised.value.headers) == ["bytes */10", None, "bytes", "private, no-store"]


@pytest.mark.parametrize(
    "requested",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=3-1", "bytes=a-b", "bytes=0-1,4-5", "lines=0-1", "bytes=²-",
        f"bytes={'9' * 5000}-",
    ],
)  # fmt: skip
def test_several_or_invalid_ranges_return_the_whole_file(requested: str) -> None:
    answer = sent(range=requested)
    assert (answer.status_code, answer.body) == (200, CONTENT)
    assert about(answer.headers) == [None, "10", "bytes", "private, no-store"]


def test_if_range_must_equal_the_etag() -> None:
    etag = sent().headers["ETag"]
    assert sent(range="bytes=0-0", if_range=etag).status_code == 206
    for other in (f"W/{etag}", '"other"', "Wed, 21 Oct 2015 07:28:00 GMT", ""):
        assert sent(range="bytes=0-0", if_range=other).body == CONTENT
    assert sent(b"another", range="bytes=0-0", if_range=etag).body == b"another"


@given(st.binary(min_size=1, max_size=50), st.integers(1, 20))
def test_consecutive_ranges_make_the_whole_file(content: bytes, step: int) -> None:
    parts = [sent(content, range=f"bytes={at}-{at + step - 1}").body for at in range(0, len(content), step)]
    assert b"".join(map(bytes, parts)) == content
