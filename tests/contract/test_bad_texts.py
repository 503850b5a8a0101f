"""Unusual texts: NUL, lone surrogates, other scripts, code, impossible dates."""

import json
from typing import Any

import pytest

from tests.contract.conftest import TEMPLATES
from tests.contract.document import example
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"
JOB = {"company": "x", "position": "x", "start_date": "2020-01-01"}
CODE = (
    "</p></style></script><b onmouseover=alert(1)>{{ 7*7 }}{% raw %}{#c#}</b>"
    "<script>alert(1)</script><style>*{display:none}</style>&lt;&amp;;}@page{size:1cm}"
)


async def send(visitor: Visitor, method: str, path: str, body: Any) -> Any:
    """Send a body that may contain a lone surrogate, which JSON libraries of clients refuse."""
    headers = {"Content-Type": "application/json"}
    return await visitor.request(method, path, content=json.dumps(body), headers=headers)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\x00b", "Null characters are not allowed."),
        ("\ud800", "Surrogate characters are not allowed: U+D800."),
        ("a\udfffb", "Surrogate characters are not allowed: U+DFFF."),
    ],
)
async def test_unstorable_text_is_refused(visitor: Visitor, text: str, message: str) -> None:
    said = {
        "full_name": text,
        "summary": text,
        "experience_data": [JOB, {**JOB, "description": text}],
        "languages_data": [{"language": "x", "level": text}],
    }
    errors = {
        "full_name": [message],
        "summary": [message],
        "experience_data": [{}, {"description": [message]}],
        "languages_data": [{"level": [message]}],
    }
    resume = await visitor.write_resume()
    for method, path in (("POST", LIST), ("PATCH", f"{LIST}{resume['id']}/")):
        answer = await send(visitor, method, path, example("3.2 request, minimum") | said)
        assert expect(answer, 400) == errors, method
    for entry in ({"more": {"deep": [text]}}, {"more": {text: 1}}, {text: 1}):
        body = {"custom_sections": [{"title": "x", **entry}]}
        refused = expect(await send(visitor, "PATCH", f"{LIST}{resume['id']}/", body), 400)
        assert message in json.dumps(refused), entry
    assert await visitor.get(LIST) == [resume]


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
async def test_unstorable_text_of_an_account_is_refused(visitor: Visitor, john: Visitor, text: str) -> None:
    body = example("1.1 request") | {"username": "x" + text, "first_name": text, "phone": text, "email": text}
    refused = expect(await send(visitor, "POST", "/api/auth/register/", body), 400)
    assert set(refused) == {"username", "first_name", "phone", "email"}
    assert set(expect(await send(john, "PATCH", "/api/auth/profile/", {"last_name": text}), 400)) == {"last_name"}
    login = await send(visitor, "POST", "/api/auth/login/", {"email": text, "password": text})
    assert login.status_code in (400, 401)
    assert (await john.get("/api/auth/profile/"))["last_name"] == "Doe"


SCRIPTS = {
    "emoji": "👩‍💻🇫🇷 Zoë 🏳️‍🌈",
    "hebrew": "יוחנן כהן",
    "arabic": "محمد بن سلمان",
    "override": "‮evil‬ name",
    "chinese": "王小明",
    "thai": "สมชาย ใจดี",
    "decomposed": "Éloïse Lefèvre",
    "mathematical": "\U0001d4d9\U0001d4f8\U0001d4f1\U0001d4f7",
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_other_scripts_are_stored_and_printed(visitor: Visitor, name: str) -> None:
    text = SCRIPTS[name]
    sections = {"skills_data": [{"name": text}], "custom_sections": [{"title": text, "content": text, "more": text}]}
    resume = await visitor.write_resume(template=1, full_name=text, summary=text, **sections)
    assert (resume["full_name"], resume["summary"], resume["skills"][0]["name"]) == (text, text, text)
    assert resume["custom_sections"] == [{"title": text, "content": text, "more": text}]
    assert (await visitor.get(LIST)) == [resume]

    has_watermark, pdf = await visitor.export(resume["id"])
    assert not has_watermark
    assert pdf.metadata is not None
    assert text in str(pdf.metadata.title)


async def test_unicode_normal_forms_of_a_name_are_equal(visitor: Visitor) -> None:
    resume = await visitor.write_resume(full_name="E\u0301loi\u0308se")
    assert resume["full_name"] == "Éloïse"


@pytest.mark.parametrize(
    ("full_name", "file"),
    [("Éloïse Lefèvre-Ñandú", "eloise_lefevre_nandu_cv_"), ("小明", "xiaoming_cv_"), ("../../etc/x", "etc_x_cv_")],
)
async def test_file_name_of_the_pdf_is_safe(visitor: Visitor, full_name: str, file: str) -> None:
    resume = await visitor.write_resume(template=1, full_name=full_name)
    url = expect(await visitor.request("POST", f"{LIST}{resume['id']}/export_pdf/", json={}), 200)["pdf_url"]
    assert url.rpartition("/")[2].startswith(file)


@pytest.mark.parametrize("template", TEMPLATES)
async def test_code_is_printed_and_not_executed(visitor: Visitor, template: int) -> None:
    def coded(field: str) -> str:
        return f"{field}{CODE}"

    def entry(*fields: str, **more: Any) -> dict[str, Any]:
        return {**{field: coded(f"{field}{len(fields)}") for field in fields}, **more}

    since = {"start_date": "2020-01-01"}
    short = "<i>{{7*7}}</i>"  # fits into a phone number
    resume = await visitor.write_resume(
        template=template, phone=short, **entry("full_name", "address", "title", "summary"),
        experience_data=[entry("company", "position", "location", "description", "x", **since)],
        education_data=[
            entry("institution", "degree", "field_of_study", "location", "description", "y", grade=short, **since)
        ],
        skills_data=[{"name": short, "category": f"category{short}"}],
        languages_data=[{"language": f"language{short}", "level": f"level{short}"}],
        certifications_data=[entry("name", "issuer")],
        projects_data=[entry("name", "description", "z")],
        custom_sections=[entry("title", "content", "w")],
    )  # fmt: skip
    _, pdf = await visitor.export(resume["id"])
    printed = normalized("".join(page.extract_text() for page in pdf.pages))
    absent = [text for text in texts_of(resume) if normalized(text) not in printed]
    assert absent == []


def texts_of(resume: dict[str, Any]) -> list[str]:
    """Return all texts of a resume that a PDF shows."""
    entries = [entry for value in resume.values() if isinstance(value, list) for entry in value]
    shown = [value for each in (resume, *entries) for name, value in each.items() if name not in ("x", "y", "z", "w")]
    return [text for text in shown if isinstance(text, str) and "{{" in text]


def normalized(text: str) -> str:
    """Return a text without line breaks and in lower case."""
    return "".join(text.split()).casefold()


async def test_code_in_an_account_is_stored_as_text(john: Visitor) -> None:
    said = {"first_name": CODE[:150], "last_name": "{{ 7*7 }}", "phone": "<b>{{7*7}}</b>"}
    changed = expect(await john.request("PATCH", "/api/auth/profile/", json=said), 200)
    assert {field: changed[field] for field in said} == said


@pytest.mark.parametrize("section", ["experience_data", "education_data"])
async def test_end_before_the_start_is_refused(visitor: Visitor, section: str) -> None:
    names = {"experience_data": ("company", "position"), "education_data": ("institution", "degree")}[section]
    entry = {**dict.fromkeys(names, "x"), "start_date": "2020-01-02", "end_date": "2020-01-01"}
    resume = await visitor.write_resume()
    path = f"{LIST}{resume['id']}/"
    answer = await visitor.request("PATCH", path, json={section: [entry]})
    assert expect(answer, 400) == {section: [{"end_date": ["The end date may not be before the start date."]}]}
    expect(await visitor.request("PATCH", path, json={section: [{**entry, "end_date": "2020-01-02"}]}), 200)


async def test_impossible_date_is_refused(visitor: Visitor) -> None:
    refused = ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."]
    body = example("3.2 request, minimum") | {
        "experience_data": [{**JOB, "start_date": "2024-02-30", "end_date": "2024-02-31"}],
        "certifications_data": [{"name": "x", "date": "2024-02-30"}],
    }
    assert expect(await visitor.request("POST", LIST, json=body), 400) == {
        "experience_data": [{"start_date": refused, "end_date": refused}],
    }


async def test_date_of_a_free_list_is_any_text(visitor: Visitor) -> None:
    dates = [{"name": "x", "date": date} for date in ("2024-02-30", "2019", "Nov 2019", "", None)]
    created = await visitor.write_resume(certifications_data=dates)
    assert created["certifications_data"] == dates
