"""Forms as browsers, curl and attackers send them."""

import re
from contextlib import suppress
from typing import Annotated, Any

import pytest
from cv_common.drf.body import RequestBody, partial, read_data, validate_partial
from cv_common.drf.fields import Boolean, Date, Field, FormText, Integer, Text
from cv_common.drf.forms import MAX_FIELDS, UploadedFile
from cv_common.kernel.errors import BadRequest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=BB"
END = b"--BB--\r\n"


def part(name: str, content: bytes = b"", **disposition: str) -> bytes:
    options = "".join(f'; {option}="{value}"' for option, value in {"name": name, **disposition}.items())
    return b"--BB\r\nContent-Disposition: form-data%b\r\n\r\n%b\r\n" % (options.encode(), content)


async def read(body: bytes, content_type: str = MULTIPART) -> Any:
    """Parse a form whose body arrives in two chunks."""
    pieces = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-type", content_type.encode("latin-1"))]
    return await read_data(Request({"type": "http", "headers": headers}, receive))


async def detail_of(body: bytes, content_type: str = MULTIPART) -> Any:
    with pytest.raises(BadRequest) as raised:
        await read(body, content_type)
    return raised.value.body["detail"]


@pytest.mark.parametrize(
    ("body", "charset", "title"),
    [
        ("title=José 漢".encode(), "", "José 漢"),
        (b"title=Jos%C3%A9+%e6%bc%a2", "", "José 漢"),
        (b"title=Jos%C3%A9 \xe6\xbc\xa2", "", "José 漢"),
        (b"title=a%e9b", "", "a\ufffdb"),
        (b"title=Jos\xe9", "", "José"),
        (b"title=Jos\xe9", "; charset=iso-8859-1", "José"),
        (b"title=Jos%e9", '; charset="Latin-1"', "José"),
        ("title=José".encode("utf-16"), "; charset=utf-16", "José"),
        ("title=José".encode(), "; charset=bogus", "José"),
        ("title=José".encode(), "; charset=", "José"),
        ("title=José".encode(), "; charset=\xff", "José"),
        (b"title=a&title=b", "", "b"),
        (b"title", "", ""),
        (b"&&title=a;b&", "", "a;b"),
    ],
)
async def test_an_urlencoded_form_is_decoded_as_django_does(body: bytes, charset: str, title: str) -> None:
    assert await read(body, URLENCODED + charset) == {"title": title}


@pytest.mark.parametrize(
    ("content", "charset", "title"),
    [
        ("José 漢".encode(), "", "José 漢"),
        (b"Jos\xe9", "", "Jos\ufffd"),
        (b"Jos\xe9", "; charset=iso-8859-1", "José"),
        ("José".encode(), "; charset=bogus", "José"),
        (b"Jos%C3%A9", "", "Jos%C3%A9"),
    ],
)
async def test_a_multipart_form_is_decoded_as_django_does(content: bytes, charset: str, title: str) -> None:
    assert await read(part("title", content) + END, MULTIPART + charset) == {"title": title}


@pytest.mark.parametrize("charset", ["undefined", "zlib", "hex", "rot13", "idna", "punycode"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"title=x", URLENCODED), (part("title", b"x") + END, MULTIPART), (b'{"title": "x"}', "application/json")],
)
async def test_codecs_that_are_not_charsets_are_refused(body: bytes, content_type: str, charset: str) -> None:
    expected = f'Unsupported charset "{charset}" in request Content-Type header.'
    assert await detail_of(body, f"{content_type}; charset={charset}") == expected


async def test_field_names_may_contain_any_letters() -> None:
    body = part("prénom", "é".encode(), filename="naïve.jpg") + part(" title ", b"x") + END
    assert await read(body) == {"prénom": UploadedFile("naïve.jpg", "é".encode()), "title": "x"}
    assert await read("prénom=é".encode(), URLENCODED) == {"prénom": "é"}


class Picture(Field):
    takes_files = True

    def parse(self, value: Any) -> Any:
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}


class Profile(RequestBody):
    title: Annotated[str, Text(5, blank=True)] = "none"
    photo: Annotated[Any, Picture(null=True)] = None


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        ([part("title", b"x"), part("photo", filename="")], {"title": "x"}),
        ([part("photo")], {"photo": None}),
        ([part("photo"), part("photo", filename="")], {"photo": None}),
        ([part("photo", filename=""), part("photo")], {"photo": None}),
        ([part("title", filename="")], {"title": ""}),
        (
            [part("photo", b"pixels", filename="me.jpg"), part("photo", filename="")],
            {"photo": UploadedFile("me.jpg", b"pixels")},
        ),
        ([part("photo", filename="empty.jpg")], {"photo": UploadedFile("empty.jpg", b"")}),
        ([part("photo", b"text", filename="")], {"photo": "text"}),
    ],
)
async def test_an_untouched_file_input_is_absent_for_file_fields(parts: list[bytes], sent: dict[str, Any]) -> None:
    """For other fields it is an empty text, as in Django."""
    assert validate_partial(await read(b"".join(parts) + END), Profile).sent() == sent


async def test_a_file_replaces_a_text_of_the_same_name() -> None:
    file, text = part("photo", b"pixels", filename="me.jpg"), part("photo", b"text")
    for body in (file + text, text + file):
        assert await read(body + END) == {"photo": UploadedFile("me.jpg", b"pixels")}


async def test_a_body_without_closing_boundary_keeps_its_last_field() -> None:
    whole = part("title", b"x") + part("photo", b"pixels", filename="me.jpg") + part("name", b"last")
    expected = {"title": "x", "photo": UploadedFile("me.jpg", b"pixels"), "name": "last"}
    for end in (END, b"--BB--", b"--BB--\r\nepilogue"):
        assert await read(whole + end) == expected, end
    assert await read(whole.removesuffix(b"\r\n")) == expected
    file = part("photo", b"pixels", filename="me.jpg").removesuffix(b"\r\n")
    assert await read(file) == {"photo": UploadedFile("me.jpg", b"pixels")}
    for cut in (b"--BB", b"--BB\r\n", b"--BB\r\nContent-Disp", b'--BB\r\nContent-Disposition: form-data; name="n"'):
        assert (await detail_of(whole + cut)).startswith("Multipart form parse error - ")


@pytest.mark.parametrize(
    ("boundary", "reason"),
    [
        ("", "Invalid boundary in multipart: None"),
        ("; boundary=", "Invalid boundary in multipart: "),
        ('; boundary="a "', "Invalid boundary in multipart: a "),
        ("; boundary=" + "a" * 202, "Invalid boundary in multipart: " + "a" * 202),
        ("; boundary=é", "Invalid non-ASCII Content-Type in multipart: multipart/form-data; boundary=é"),
    ],
)
async def test_invalid_boundaries(boundary: str, reason: str) -> None:
    assert await detail_of(b"--x", "multipart/form-data" + boundary) == f"Multipart form parse error - {reason}"


@pytest.mark.parametrize("boundary", ["B B", "a;b", 'a"b', "a\\b", 'a\\"b', "=", "-" * 60])
async def test_boundaries_with_special_characters(boundary: str) -> None:
    body = (part("title", b"x") + END).replace(b"--BB", b"--" + boundary.encode())
    quoted = re.sub(r'(["\\])', r"\\\1", boundary)
    assert await read(body, f'multipart/form-data; boundary="{quoted}"') == {"title": "x"}


async def test_a_form_with_too_many_fields_is_refused() -> None:
    expected = f"Too many fields. Maximum number of fields is {MAX_FIELDS}."
    assert await detail_of(b"a=1&" * MAX_FIELDS + b"a=1", URLENCODED) == f"Form parse error - {expected}"
    assert await detail_of(part("a") * (MAX_FIELDS + 1) + END) == f"Multipart form parse error - {expected}"


async def test_list_entries_keep_the_order_of_their_indexes() -> None:
    form = b"lines[2000]name=c&lines[07]name=a&lines[10]name=b&lines[10].level=low"
    assert await read(form, URLENCODED) == {"lines": [{"name": "a"}, {"name": "b", "level": "low"}, {"name": "c"}]}


class Job(RequestBody):
    start: Annotated[str, Date()]
    end: Annotated[str | None, Date(null=True)] = None
    hours: Annotated[int, Integer()]
    is_current: Annotated[bool, Boolean()] = False
    place: Annotated[str | None, Text(5, null=True)] = None
    url: Annotated[str | None, Text(5, null=True, blank=False)] = None
    name: Annotated[str, Text(5, blank=True)] = "none"


def test_empty_texts_of_a_form() -> None:
    """As in DRF, an empty text means absent if that is allowed, else null, else an empty text, else an error."""
    given = {"start": "2020-01-01", "hours": "1", "end": "", "is_current": "", "place": "", "url": "", "name": ""}
    form = {name: FormText(text) for name, text in given.items()}
    kept = {"start": "2020-01-01", "hours": 1, "end": None, "place": "", "url": None, "name": ""}
    for model in (Job, partial(Job)):
        body = validate_partial(form, model)
        assert (body.sent(), body.errors, body.get(lambda fields: fields.is_current)) == (kept, {}, False)
        errors = validate_partial({**form, "start": FormText(""), "hours": FormText("")}, model).errors
        assert errors == {
            "start": ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."],
            "hours": ["A valid integer is required."],
        }


def test_empty_texts_of_json_are_not_null() -> None:
    errors = validate_partial({"start": "", "hours": 1, "is_current": "", "end": "", "url": ""}, Job).errors
    assert set(errors) == {"start", "is_current", "end", "url"}


def test_messages_do_not_quote_the_content_of_a_file() -> None:
    assert f"{UploadedFile('me.jpg', b'secret')}" == "me.jpg"
    assert "secret" not in repr(UploadedFile("me.jpg", b"secret"))


CHARSETS = st.sampled_from(["", *(f"; charset={name}" for name in ("undefined", "utf-16", "utf_7", "unicode_escape"))])
PARTS = (part("a", b"b"), part("a[0]b", b"c", filename="d"))
BROKEN = st.lists(st.binary(max_size=8) | st.sampled_from([b"--BB", b"--", b"\r\n", END, *PARTS, b"=", b"&", b"%"]))


@given(BROKEN.map(b"".join), st.sampled_from([URLENCODED, MULTIPART]), CHARSETS)
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
async def test_every_body_is_a_form_or_a_bad_request(body: bytes, content_type: str, charset: str) -> None:
    with suppress(BadRequest):
        assert isinstance(await read(body, content_type + charset), dict)
