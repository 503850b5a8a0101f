"""Request bodies: valid data, and the errors of Django REST Framework."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from cv_common.app import create_app
from cv_common.drf.body import MAX_DEPTH, RequestBody, list_from_form, partial, read_data, validate, validate_partial
from cv_common.drf.fields import Boolean, Choice, Integer, PrimaryKey, Text
from cv_common.kernel.errors import ValidationFailed
from cv_common.kernel.responses import JSONResponse
from cv_common.kernel.settings import ServiceSettings
from cv_testing.identity import IdentityKeys
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

_FromForm = BeforeValidator(list_from_form)


class Line(BaseModel):
    name: Annotated[str, Text(10)]
    level: Annotated[str | None, Choice("low", "high", null=True)] = None


class Note(RequestBody):
    template: Annotated[int, PrimaryKey()]
    title: Annotated[str, Text(10)]
    count: Annotated[int, Integer()] = 0
    done: Annotated[bool, Boolean()] = False
    lines: Annotated[list[Line], _FromForm] = Field(default_factory=list)
    free: Annotated[list[dict[str, Any]], _FromForm] = Field(default_factory=list)


GOOD = {"template": 1, "title": "Plain"}
REQUIRED = "This field is required."
NULL = "This field may not be null."


@pytest.fixture
async def notes(identity_keys: IdentityKeys, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of a service that responds with the parsed body."""
    router = APIRouter(prefix="/api/notes")

    @router.post("/")
    async def write(request: Request) -> Response:
        return JSONResponse(validate(await read_data(request), Note).model_dump())

    @router.patch("/")
    async def change(request: Request) -> Response:
        note = validate(await read_data(request), partial(Note))
        return JSONResponse(note.model_dump(include=set(note.sent())))

    @router.put("/")
    async def echo(request: Request) -> Response:
        return JSONResponse(await read_data(request))

    for name, value in identity_keys.environment("resumes").items():
        monkeypatch.setenv(name, value)
    app = create_app("resumes", ServiceSettings(), [router])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = identity_keys.stranger("resumes")
    async with httpx.AsyncClient(transport=transport, base_url="http://notes/api/notes", headers=headers) as client:
        yield client


async def refusal(notes: httpx.AsyncClient, body: Any, method: str = "POST") -> Any:
    """Return the errors of a JSON body."""
    answer = await notes.request(method, "/", json=body)
    assert answer.status_code == 400
    return answer.json()


async def test_a_valid_body_is_parsed_and_unknown_fields_are_ignored(notes: httpx.AsyncClient) -> None:
    sent = {**GOOD, "count": "3", "lines": [{"name": 5, "odd": 1}], "free": [{"a": None}], "id": 9, "is_paid": True}
    answer = await notes.post("/", json=sent)
    assert answer.json() == {
        **GOOD,
        "count": 3,
        "done": False,
        "lines": [{"name": "5", "level": None}],
        "free": [{"a": None}],
    }


async def test_one_response_has_the_errors_of_all_fields(notes: httpx.AsyncClient) -> None:
    assert await refusal(notes, {}) == {"template": [REQUIRED], "title": [REQUIRED]}
    assert await refusal(notes, {"template": True, "title": None, "count": -1, "done": "perhaps"}) == {
        "template": ["Incorrect type. Expected pk value, received bool."],
        "title": [NULL],
        "count": ["Ensure this value is greater than or equal to 0."],
        "done": ["Must be a valid boolean."],
    }
    long_and_unkeepable = {**GOOD, "title": "x" * 11 + "\x00"}
    assert await refusal(notes, long_and_unkeepable) == {
        "title": ["Ensure this field has no more than 10 characters.", "Null characters are not allowed."]
    }


async def test_errors_in_a_list_have_the_positions_of_its_entries(notes: httpx.AsyncClient) -> None:
    lines = [{"name": "a"}, {"name": "", "level": "none"}, {"name": "b"}, {}, "text", None, {"name": "c"}]
    assert await refusal(notes, {**GOOD, "lines": lines}) == {
        "lines": [
            {},
            {"name": ["This field may not be blank."], "level": ['"none" is not a valid choice.']},
            {},
            {"name": [REQUIRED]},
            {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]},
            [NULL],
            {},
        ]
    }


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        ("text", {"non_field_errors": ['Expected a list of items but got type "str".']}),
        ({"0": {}}, {"non_field_errors": ['Expected a list of items but got type "dict".']}),
        (1, {"non_field_errors": ['Expected a list of items but got type "int".']}),
        (None, [NULL]),
    ],
)
async def test_a_section_must_be_a_list(notes: httpx.AsyncClient, value: Any, errors: Any) -> None:
    assert await refusal(notes, {**GOOD, "lines": value}) == {"lines": errors}
    assert await refusal(notes, {"lines": value}, "PATCH") == {"lines": errors}


async def test_a_partial_update_validates_sent_fields_and_whole_entries(notes: httpx.AsyncClient) -> None:
    assert (await notes.patch("/", json={})).json() == {}
    assert (await notes.patch("/", json={"count": 2})).json() == {"count": 2}
    assert await refusal(notes, {"title": ""}, "PATCH") == {"title": ["This field may not be blank."]}
    assert await refusal(notes, {"lines": [{"level": "low"}]}, "PATCH") == {"lines": [{"name": [REQUIRED]}]}


@pytest.mark.parametrize(("body", "name"), [([], "list"), ("text", "str"), (1, "int"), (1.5, "float"), (True, "bool")])
async def test_a_body_must_be_an_object(notes: httpx.AsyncClient, body: Any, name: str) -> None:
    expected = {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {name}."]}
    assert await refusal(notes, body) == expected
    assert await refusal(notes, body, "PATCH") == expected


async def test_a_null_body_is_an_error(notes: httpx.AsyncClient) -> None:
    answer = await notes.post("/", content=b"null", headers=JSON)
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": ["No data provided"]})


JSON = {"Content-Type": "application/json"}
TOO_DEEP = "JSON parse error - the document is nested too deeply"


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"{", "JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"nonsense", "JSON parse error - Expecting value: line 1 column 1 (char 0)"),
        (b"{} {}", "JSON parse error - Extra data: line 1 column 4 (char 3)"),
        (b'{"title": NaN}', "JSON parse error - Out of range float values are not JSON compliant: 'NaN'"),
        (b"[-Infinity]", "JSON parse error - Out of range float values are not JSON compliant: '-Infinity'"),
        (
            b"\xef\xbb\xbf{}",
            "JSON parse error - Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)",
        ),
        (
            b'{"title": "\xff"}',
            "JSON parse error - 'utf-8' codec can't decode byte 0xff in position 11: invalid start byte",
        ),
        (b'{"title": "\n"}', "JSON parse error - Invalid control character at: line 1 column 12 (char 11)"),
        (b"[" * 100_000, TOO_DEEP),
        (b'{"a":' * 100_000, TOO_DEEP),
        (b"[" * 100_000 + b"]" * 100_000, TOO_DEEP),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), TOO_DEEP),
        (b'{"free": [{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}]}", TOO_DEEP),
        (b" ", "JSON parse error - Expecting value: line 1 column 2 (char 1)"),
    ],
    ids=lambda value: repr(value[:20]),
)
async def test_invalid_json_is_an_error(notes: httpx.AsyncClient, raw: bytes, detail: str) -> None:
    for method in ("POST", "PATCH", "PUT"):
        answer = await notes.request(method, "/", content=raw, headers=JSON)
        assert (answer.status_code, answer.json()) == (400, {"detail": detail})


async def test_a_number_with_too_many_digits_is_invalid_json(notes: httpx.AsyncClient) -> None:
    answer = await notes.post("/", content=b'{"count": %s}' % (b"9" * 5000), headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("JSON parse error - Exceeds the limit")


async def test_the_deepest_allowed_document_can_be_serialized(notes: httpx.AsyncClient) -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    broad = b"[" + b",".join([b"{}"] * 1000) + b"]"
    for raw in (deepest, broad, b'{"text": "%s"}' % (b"[" * 1000)):
        answer = await notes.put("/", content=raw, headers=JSON)
        assert (answer.status_code, answer.json()) == (200, json.loads(raw))


async def test_the_last_value_of_a_duplicate_key_counts(notes: httpx.AsyncClient) -> None:
    answer = await notes.patch("/", content=b'{"count": "x", "count": 2}', headers=JSON)
    assert answer.json() == {"count": 2}


async def test_an_infinite_number_is_an_invalid_integer(notes: httpx.AsyncClient) -> None:
    answer = await notes.patch("/", content=b'{"count": 1e999}', headers=JSON)
    assert (answer.status_code, answer.json()) == (400, {"count": ["A valid integer is required."]})


async def test_lone_surrogates_are_errors_and_emoji_are_valid(notes: httpx.AsyncClient) -> None:
    lone = await notes.patch("/", content=rb'{"title": "a\ud83d", "lines": [{"level": "\udfff"}]}', headers=JSON)
    assert (lone.status_code, lone.json()) == (
        400,
        {
            "title": ["Surrogate characters are not allowed: U+D83D."],
            "lines": [{"name": [REQUIRED], "level": ['"?" is not a valid choice.']}],
        },
    )
    assert (await notes.patch("/", content=rb'{"title": "\ud83d\ude00"}', headers=JSON)).json() == {"title": "😀"}
    assert (await notes.patch("/", content=rb'{"\ud83d": 1, "count": 1}', headers=JSON)).json() == {"count": 1}


async def test_an_empty_body_is_an_empty_object_for_every_media_type(notes: httpx.AsyncClient) -> None:
    for headers in ({}, JSON, {"Content-Type": "text/plain"}):
        assert (await notes.patch("/", headers=headers)).json() == {}
        assert (await notes.post("/", headers=headers)).json() == {"template": [REQUIRED], "title": [REQUIRED]}


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/xml", "application/jsonx", "text/json", "nonsense"]
)
async def test_other_media_types_are_415(notes: httpx.AsyncClient, media_type: str) -> None:
    answer = await notes.post("/", content=json.dumps(GOOD), headers={"Content-Type": media_type})
    assert answer.status_code == 415
    assert answer.json() == {"detail": f'Unsupported media type "{media_type}" in request.'}


async def test_json_is_decoded_with_its_charset(notes: httpx.AsyncClient) -> None:
    for charset in ("utf-8", "iso-8859-1", "utf-16", "bogus"):
        headers = {"Content-Type": f"Application/JSON; charset={charset}"}
        content = '{"title": "José"}'.encode("utf-8" if charset == "bogus" else charset)
        assert (await notes.patch("/", content=content, headers=headers)).json() == {"title": "José"}


async def test_nesting_is_limited_in_every_charset(notes: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json; charset=utf-7"}
    answer = await notes.put("/", content=b"+AFs-" * (MAX_DEPTH + 1) + b"+AF0-" * (MAX_DEPTH + 1), headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"detail": TOO_DEEP})


async def test_a_form_is_equivalent_to_json(notes: httpx.AsyncClient) -> None:
    form = {"template": "1", "title": " Plain ", "done": "on", "lines": '[{"name": "a"}]', "free": "[]"}
    expected = {**GOOD, "count": 0, "done": True, "lines": [{"name": "a", "level": None}], "free": []}
    assert (await notes.post("/", data=form)).json() == expected
    multipart = await notes.post("/", files={name: (None, value) for name, value in form.items()})
    assert multipart.json() == expected


async def test_a_form_may_have_list_entries_as_fields(notes: httpx.AsyncClient) -> None:
    form = {**GOOD, "lines[1]name": "b", "lines[0]name": "a", "lines[0].level": "low"}
    answer = await notes.post("/", data=form)
    assert answer.json()["lines"] == [{"name": "a", "level": "low"}, {"name": "b", "level": None}]


async def test_an_invalid_form_has_the_errors_of_json(notes: httpx.AsyncClient) -> None:
    answer = await notes.post("/", data={"template": "x", "title": "", "lines": "text", "count": ""})
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "template": ["Incorrect type. Expected pk value, received str."],
            "title": ["This field may not be blank."],
            "lines": {"non_field_errors": ['Expected a list of items but got type "str".']},
        },
    )


async def test_an_invalid_list_in_a_form_has_the_errors_of_json(notes: httpx.AsyncClient) -> None:
    lines = [{"name": "a"}, {"name": "", "level": "none"}, None, "text", {}]
    for form in ({**GOOD, "lines": lines, "count": "[]"}, {**GOOD, "lines": [1]}):
        answer = await notes.post("/", data={**form, "lines": json.dumps(form["lines"])})
        as_json = await refusal(notes, form)
        assert (answer.status_code, answer.json()) == (400, as_json)
    assert isinstance(answer.json()["lines"], list)


async def test_an_empty_text_in_a_form_is_an_empty_list(notes: httpx.AsyncClient) -> None:
    answer = await notes.patch("/", data={"lines": "", "free": ""})
    assert (answer.status_code, answer.json()) == (200, {"lines": [], "free": []})


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x"]
)
async def test_a_malformed_multipart_body_is_a_bad_request(notes: httpx.AsyncClient, content_type: str) -> None:
    answer = await notes.post("/", content=b"--y\r\nnonsense", headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Multipart form parse error - ")


def test_validate_partial_returns_valid_fields_and_errors() -> None:
    body = validate_partial({"template": "x", "title": "Plain"}, Note)
    assert (body.sent(), set(body.errors)) == ({"title": "Plain"}, {"template"})
    assert body.get(lambda fields: fields.title) == "Plain"
    assert body.get(lambda fields: fields.template) is None
    with pytest.raises(ValidationFailed) as raised:
        body.validated({"title": ["Taken."]})
    assert set(raised.value.body) == {"template", "title"}
    with pytest.raises(ValidationFailed):
        validate_partial([], Note)


ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=5)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "template": ANY_JSON,
        "title": ANY_JSON,
        "lines": ANY_JSON | st.lists(st.fixed_dictionaries({}, optional={"name": ANY_JSON, "level": ANY_JSON})),
        "free": ANY_JSON,
    },
)


@given(st.dictionaries(ANY_TEXT, ANY_JSON) | NEARLY, st.sampled_from([Note, partial(Note)]))
def test_every_document_is_valid_or_has_serializable_errors(data: dict[str, Any], model: type[Note]) -> None:
    try:
        validate_partial(data, model)
    except ValidationFailed as failed:
        JSONResponse(failed.body)
    body = validate_partial(data, model)
    errors = body.errors
    JSONResponse(errors)
    assert set(errors) <= {"template", "title", "count", "done", "lines", "free"}
    lines = errors.get("lines")
    assert not isinstance(lines, list) or lines == [NULL] or len(lines) == len(data["lines"])
    assert not set(body.sent()) & set(errors)
