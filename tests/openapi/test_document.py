"""The OpenAPI document is valid, complete, and consistent with the API document."""

from itertools import takewhile
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.contract.document import example
from tests.openapi.document import Json, examples, media, operations

DOCUMENTED = {
    "POST /api/auth/register/": ["1.1 request", "1.1 response", "1.1 errors"],
    "POST /api/auth/login/": ["1.2 request", "1.2 response"],
    "POST /api/auth/refresh/": ["1.3 request", "1.3 response"],
    "GET /api/auth/profile/": ["1.4 response"],
    "PATCH /api/auth/profile/": ["1.5 request", "1.5 response"],
    "POST /api/auth/change-password/": ["1.6 request", "1.6 response", "1.6 errors"],
    "GET /api/templates/": ["2.1 response"],
    "GET /api/templates/{id}/": ["2.2 response"],
    "GET /api/templates/free/": ["2.3 response"],
    "GET /api/templates/premium/": ["2.4 response"],
    "GET /api/resumes/": ["3.1 response, user"],
    "POST /api/resumes/": ["3.2 request, minimum", "3.2 request, complete", "3.2 response"],
    "GET /api/resumes/{id}/": ["3.3 response", "3.3 error"],
    "PATCH /api/resumes/{id}/": ["3.4 request, partial", "3.4 request, one more", "3.4 response"],
    "DELETE /api/resumes/{id}/": ["3.5 error"],
    "POST /api/resumes/{id}/export_pdf/": ["3.6 request", "3.6 response, clean", "3.6 response, watermarked"],
    "POST /api/resumes/import_linkedin/": ["3.7 request", "3.7 response", "3.7 error"],
}
"""The API document's examples of each operation."""

IN_ORDER = [*DOCUMENTED, "POST /api/payments/create-checkout/", "POST /api/payments/webhook/"]
TOKEN: Json = {"accessToken": []}
SESSION: Json = {"session": []}


def operation_of(document: Json, name: str) -> Json:
    return dict(operations(document))[name]


def test_document_is_valid(document: Json) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_operations_have_the_order_of_the_api_document(document: Json) -> None:
    assert [name for name, _ in operations(document) if name in IN_ORDER] == IN_ORDER
    assert [tag["name"] for tag in document["tags"]] == ["auth", "templates", "resumes", "payments"]
    assert all(tag["description"] for tag in document["tags"])


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_of_the_api_document_are_included(document: Json, name: str) -> None:
    shown = [value for where, part in media(document) if where.startswith(f"{name} ") for value in examples(part)]
    missing = [title for title in DOCUMENTED[name] if example(title) not in shown]
    assert missing == []


def test_every_operation_is_described(document: Json) -> None:
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["operationId"].isidentifier(), name
        assert "security" in operation, name
        assert "422" not in operation["responses"], name
        assert {"429", "503", "504"} <= operation["responses"].keys(), name
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_all_bodies_have_valid_examples(document: Json) -> None:
    for where, part in media(document):
        assert examples(part), where
        validator = OAS31Validator({**part["schema"], "components": document["components"]})
        errors = [error.message for value in examples(part) for error in validator.iter_errors(value)]
        assert errors == [], where


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("POST /api/auth/login/", "200 400 401 403 413 415"),
        ("PATCH /api/auth/profile/", "200 400 401 403 413 415"),
        ("GET /api/templates/{id}/", "200 304 401 404"),
        ("POST /api/resumes/", "201 400 401 403 413 415"),
        ("PATCH /api/resumes/{id}/", "200 400 401 403 404 412 413 415"),
        ("DELETE /api/resumes/{id}/", "204 401 403 404 412"),
        ("POST /api/payments/webhook/", "200 400 413"),
    ],
)
def test_responses_of_an_operation(document: Json, name: str, statuses: str) -> None:
    responses = operation_of(document, name)["responses"]
    assert list(takewhile(lambda status: status != "429", responses)) == statuses.split()


@pytest.mark.parametrize(
    ("name", "security"),
    [
        ("POST /api/auth/register/", []),
        ("GET /api/auth/profile/", [TOKEN]),
        ("GET /api/templates/", [TOKEN, {}]),
        ("PATCH /api/resumes/{id}/", [TOKEN, SESSION, {}]),
        ("POST /api/payments/create-checkout/", [TOKEN, SESSION, {}]),
        ("POST /api/payments/webhook/", []),
    ],
)
def test_security_of_an_operation(document: Json, name: str, security: list[Any]) -> None:
    assert operation_of(document, name)["security"] == security


def test_webhook_requires_its_signature(document: Json) -> None:
    (header,) = operation_of(document, "POST /api/payments/webhook/")["parameters"]
    assert (header["name"], header["in"], header["required"]) == ("Stripe-Signature", "header", True)


def test_documented_fields_of_a_resume_are_required_and_in_order_and_extensions_are_optional(document: Json) -> None:
    schema, documented = document["components"]["schemas"]["Resume"], list(example("3.3 response"))
    assert [name for name in schema["properties"] if name in documented] == documented
    assert set(schema["required"]) == set(documented)


@pytest.mark.parametrize(
    ("name", "status", "headers"),
    [
        ("GET /api/resumes/", "200", {"Link", "X-Total-Count"}),
        ("GET /api/resumes/{id}/", "200", {"ETag"}),
        ("POST /api/resumes/", "201", {"ETag", "Set-Cookie"}),
        ("PATCH /api/resumes/{id}/", "412", {"ETag"}),
        ("GET /api/templates/", "304", {"ETag", "Cache-Control"}),
        ("GET /api/auth/profile/", "401", {"WWW-Authenticate"}),
        ("GET /api/auth/profile/", "429", {"Retry-After"}),
        ("GET /api/auth/profile/", "503", {"Retry-After"}),
    ],
)
def test_headers_of_a_response(document: Json, name: str, status: str, headers: set[str]) -> None:
    assert headers <= operation_of(document, name)["responses"][status]["headers"].keys()


def test_photo_is_a_file_only_in_a_form(document: Json) -> None:
    content = operation_of(document, "POST /api/resumes/")["requestBody"]["content"]
    names = {kind: part["schema"]["$ref"].rpartition("/")[2] for kind, part in content.items()}
    photos = {kind: document["components"]["schemas"][name]["properties"]["photo"] for kind, name in names.items()}
    formats = {kind: photo["format"] for kind, photo in photos.items()}
    assert formats == {"application/json": "uri", "multipart/form-data": "binary"}


def test_formats_and_enums(document: Json) -> None:
    schemas = document["components"]["schemas"]
    resume, experience = schemas["Resume"]["properties"], schemas["Experience"]["properties"]
    assert resume["created_at"]["format"] == "date-time"
    assert experience["start_date"]["anyOf"][0]["format"] == "date"
    assert schemas["RegisterBody"]["properties"]["email"]["format"] == "email"
    assert schemas["ResumePaymentType"]["enum"] == ["free", "single", "subscription"]
    levels = ["beginner", "intermediate", "advanced", "expert"]
    assert schemas["SkillData"]["properties"]["level"]["enum"] == [*levels, None]
