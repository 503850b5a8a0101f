"""Imports over HTTP: of profiles from the real stand-in process, and of data exports made here, every trap a test."""

import asyncio
import io
import json
import struct
import zipfile
from collections.abc import AsyncIterator, Mapping
from hashlib import shake_256
from typing import Any

import httpx
import pytest
from cv_common.testing.identity import IdentityKeys
from cv_common.testing.serving import serving
from cv_resumes.main import app
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PATH = "/api/resumes/import_linkedin/"
PROFILE = "https://www.linkedin.com/in/"
INVALID = {"linkedin_url": ["Invalid LinkedIn URL format."]}
UNKNOWN = {"linkedin_url": ["This profile could not be found."]}

PROFILE_HEADER = (
    "First Name,Last Name,Maiden Name,Address,Birth Date,Headline,Summary,Industry,Zip Code,Geo Location,"
    "Twitter Handles,Websites,Instant Messengers"
)
EXPORT = {
    "Profile.csv": f'{PROFILE_HEADER}\nJane,Smith,,,,Designer,"Ten years, and ""more"".",Design,,"Paris, France",,,\n',
    "Email Addresses.csv": (
        "Email Address,Confirmed,Primary,Updated On\n"
        "old@example.com,Yes,No,1/1/20 10:00 AM\n"
        "jane@example.com,Yes,Yes,1/1/24 10:00 AM\n"
    ),
    "Positions.csv": (
        "Company Name,Title,Description,Location,Started On,Finished On\n"
        'Acme,Lead designer,"Led design.\nHired four.",Paris,Mar 2024,\n'
        "Bureau,Designer,,,2019,Feb 2024\n"
    ),
    "Skills.csv": "Name\nFigma\nTypography\n",
}


def zipped(files: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


async def upload(
    resumes: httpx.AsyncClient, user: dict[str, str], files: Mapping[str, str | bytes] | bytes, **more: Any
) -> httpx.Response:
    content = files if isinstance(files, bytes) else zipped(files)
    return await resumes.post(PATH, files={"file": ("export.zip", content, "application/zip")}, headers=user, **more)


async def imported(
    resumes: httpx.AsyncClient, user: dict[str, str], files: Mapping[str, str | bytes] | bytes
) -> dict[str, Any]:
    answer = await upload(resumes, user, files)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def fetched(resumes: httpx.AsyncClient, user: dict[str, str], slug: str) -> dict[str, Any]:
    answer = await resumes.post(PATH, json={"linkedin_url": PROFILE + slug}, headers=user)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def told(body: dict[str, Any], file: str) -> list[tuple[int | None, str]]:
    return [(note.get("row"), note["reason"]) for note in body["import_report"] if note["file"] == file]


# --- By address ---------------------------------------------------------------------------------------------------


async def test_the_documents_example_comes_out_field_by_field(
    resumes: httpx.AsyncClient, stranger: dict[str, str]
) -> None:
    answer = await resumes.post(PATH, json={"linkedin_url": "https://www.linkedin.com/in/johndoe"}, headers=stranger)
    assert answer.status_code == 201
    body = answer.json()
    assert body["session_id"] == answer.headers["X-Session-Start"]
    for moment in ("created_at", "updated_at", "last_accessed"):
        assert body.pop(moment)
    for entry in (body, *body["experiences"], *body["education"], *body["skills"]):
        assert isinstance(entry.pop("id"), int)
    assert body == {
        "session_id": body["session_id"], "user": None, "template": 1,
        "full_name": "John Doe", "email": "john.doe@linkedin.com", "phone": None, "address": None, "website": None,
        "linkedin_url": "https://www.linkedin.com/in/johndoe", "github_url": None, "photo": None,
        "title": "Software Engineer",
        "summary": "Experienced software engineer with a passion for building scalable applications",
        "experiences": [
            {
                "company": "Tech Company", "position": "Senior Engineer", "location": "San Francisco, CA",
                "start_date": "2020-01-01", "end_date": None, "is_current": True,
                "description": "Leading development of cloud-based solutions", "order": 0,
            }
        ],
        "education": [
            {
                "institution": "Stanford University", "degree": "Bachelor of Science",
                "field_of_study": "Computer Science", "location": "Stanford, CA", "start_date": "2012-09-01",
                "end_date": "2016-06-01", "is_current": False, "grade": None, "description": None, "order": 0,
            }
        ],
        "skills": [
            {"name": "Python", "level": "expert", "category": "Programming", "order": 0},
            {"name": "AWS", "level": "advanced", "category": "Cloud", "order": 1},
        ],
        "languages_data": [], "certifications_data": [], "projects_data": [], "custom_sections": [],
        "is_paid": False, "payment_type": "free", "can_export_without_watermark": True,
    }  # fmt: skip


async def test_an_import_is_a_resume_like_any_other(
    resumes: httpx.AsyncClient, user: dict[str, str], user_id: int
) -> None:
    body = await fetched(resumes, user, "johndoe")
    assert (body["user"], body["session_id"]) == (user_id, None)
    path = f"/api/resumes/{body['id']}/"
    stored = (await resumes.get(path, headers=user)).json()
    assert stored["experiences"] == body["experiences"]
    changed = await resumes.patch(path, json={"title": "CTO"}, headers=user)
    assert (changed.status_code, changed.json()["title"]) == (200, "CTO")


async def test_everything_json_resume_knows_finds_its_place(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    body = await fetched(resumes, user, "camille-durand")
    assert body["address"] == "12 rue des Lilas, 69003, Lyon, FR"
    assert (body["phone"], body["website"]) == ("+33 6 12 34 56 78", "https://camilledurand.example.com")
    assert body["github_url"] == "https://github.com/camilledurand"
    assert body["photo"] is None
    assert [(job["start_date"], job["end_date"], job["is_current"]) for job in body["experiences"]] == [
        ("2019-03-01", None, True),
        ("2010-01-01", "2019-02-01", False),
    ]
    assert body["experiences"][0]["description"] == (
        "Plateforme de données pour l'énergie.\n- Coûts divisés par trois\n- Dix équipes accompagnées"
    )
    assert (body["education"][0]["grade"], body["education"][0]["field_of_study"]) == ("Mention Bien", "Informatique")
    assert [(skill["name"], skill["level"], skill["category"]) for skill in body["skills"]] == [
        ("Python", "expert", "Langages"), ("Rust", "expert", "Langages"), ("PostgreSQL", "advanced", None),
    ]  # fmt: skip
    assert body["languages_data"][1] == {"language": "Anglais", "level": "Courant"}
    assert body["certifications_data"] == [
        {
            "name": "AWS Certified Developer", "issuer": "Amazon Web Services", "date": "2024-03-15",
            "url": "https://aws.example.com/c/1",
        }
    ]  # fmt: skip
    assert body["projects_data"][0]["url"] == "https://github.com/camilledurand/portfolio"
    assert [section["title"] for section in body["custom_sections"]] == [
        "Bénévolat", "Distinctions", "Publications", "Centres d'intérêt",
    ]  # fmt: skip
    assert told(body, "profile") == [(None, "A CV has no place for: references.")]
    assert told(body, "basics") == [(None, "A CV has no place for: image.")]


async def test_titles_are_in_the_language_asked_for(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    headers = {**user, "Accept-Language": "en-GB"}
    body = await fetched(resumes, headers, "camille-durand")
    assert body["custom_sections"][0]["title"] == "Volunteering"


async def test_what_the_source_lacks_is_not_invented(resumes: httpx.AsyncClient, stranger: dict[str, str]) -> None:
    body = await fetched(resumes, stranger, "no-mail")
    assert body["email"] == ""
    assert [skill["level"] for skill in body["skills"]] == [None, None]
    assert body["import_report"] == [{"file": "resume", "reason": "The source has no email."}]


async def test_a_missing_email_is_the_accounts(
    resumes: httpx.AsyncClient, identity_keys: IdentityKeys, user_id: int
) -> None:
    user = identity_keys.user("resumes", user_id, "nadia@example.com")
    assert (await fetched(resumes, user, "no-mail"))["email"] == "nadia@example.com"
    assert (await fetched(resumes, user, "johndoe"))["email"] == "john.doe@linkedin.com"


async def test_odd_data_is_left_out_and_told(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    body = await fetched(resumes, user, "odd-one")
    assert (body["full_name"], body["email"], body["phone"]) == ("Odette   Odd", "", "33612345678")
    assert (body["title"], body["website"], body["address"]) == (None, None, None)
    assert len(body["summary"]) <= 10_000
    assert body["summary"].startswith("😀 é Long.")
    assert [(job["company"], job["start_date"], job["end_date"], job["is_current"]) for job in body["experiences"]] == [
        ("Backwards", "2020-05-01", None, False),
        ("Still", "2024-01-01", None, True),
    ]
    assert [skill["name"] for skill in body["skills"]] == ["SQL", "x" * 100, "No group", "7"]
    assert body["projects_data"] == [{"name": "Linked", "description": None, "url": None}]
    assert (1, '"Ghost" is left out: it has no start_date.') in told(body, "work")
    assert (2, "endDate is left out: it is before startDate.") in told(body, "work")
    assert (3, 'startDate is left out: "2024-02-30" is not a date.') in told(body, "work")
    assert (5, "It is not an object.") in told(body, "work")
    assert (None, "summary is cut after 10000 characters.") in told(body, "basics")
    assert (None, "education is not a list.") in told(body, "profile")


async def test_more_than_a_cv_takes_is_left_out_and_told(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    body = await fetched(resumes, user, "prolific")
    assert 100 < len(body["experiences"]) <= 200
    assert (300, "It is left out: a CV takes 256 KB.") in told(body, "work")
    assert len(body["import_report"]) <= 201


@pytest.mark.parametrize(
    "url",
    [
        "https://linkedin.com/in/johndoe",
        "https://fr.linkedin.com/in/johndoe/",
        "https://www.linkedin.com/in/johndoe?utm_source=share&trk=x%20y",
        "https://www.linkedin.com/in/johndoe/?locale=fr_FR",
        "https://www.linkedin.com/in/johndoe#x",
        "https://www.linkedin.com/in/johndoe/?trk=public#:~:text=Senior%20Engineer",
        "HTTPS://WWW.LinkedIn.COM/in/johndoe",
        "  https://www.linkedin.com/in/johndoe ",
    ],
)
async def test_every_way_to_write_the_address_is_one_profile(
    resumes: httpx.AsyncClient, user: dict[str, str], url: str
) -> None:
    answer = await resumes.post(PATH, json={"linkedin_url": url}, headers=user)
    assert (answer.status_code, answer.json()["linkedin_url"]) == (201, "https://www.linkedin.com/in/johndoe")


ATTACKS = [
    "https://evil.example/https://www.linkedin.com/in/johndoe",
    "https://evil.example/?u=https://www.linkedin.com/in/johndoe",
    "https://evil.example/#https://www.linkedin.com/in/johndoe",
    "https://www.linkedin.com.evil.example/in/johndoe",
    "https://www.linkedin.com-evil.example/in/johndoe",
    "https://evillinkedin.com/in/johndoe",
    "https://evil-linkedin.com/in/johndoe",
    "https://www.linkedin.com@evil.example/in/johndoe",
    "https://www.linkedin.com:secret@evil.example/in/johndoe",
    "https://user@www.linkedin.com/in/johndoe",
    "https://evil.example@www.linkedin.com/in/johndoe",
    "https://www.linkedin.com:443/in/johndoe",
    "https://www.linkedin.com:22/in/johndoe",
    "https://www.linkedin.com./in/johndoe",
    "https://www.linkedin.com\\@evil.example/in/johndoe",
    "https://evil.example\\.linkedin.com/in/johndoe",
    "https:\\\\www.linkedin.com\\in\\johndoe",
    "https://www.linkedin.com/in/johndoe\n",
    "https://www.linkedin.com/in/johndoe\nHost: evil.example",
    "https://evil.example/\nhttps://www.linkedin.com/in/johndoe",
    "https://www.linkedin.com/in/johndoe\r\nX: y",
    "https://www.linkedin.com/in/john\tdoe",
    "https://www.linkedin.com/in/john doe",
    "https://www.l\u0131nkedin.com/in/johndoe",
    "https://www.l\u0456nkedin.com/in/johndoe",
    "https://www.lin\u212aedin.com/in/johndoe",
    "https://www.linkedin\u3002com/in/johndoe",
    "https://www.\uff4cinkedin.com/in/johndoe",
    "https\uff1a//www.linkedin.com/in/johndoe",
    "https://www.linkedin.com\uff0fin/johndoe",
    "https://xn--lnkedin-9db.com/in/johndoe",
    "http://www.linkedin.com/in/johndoe",
    "//www.linkedin.com/in/johndoe",
    "www.linkedin.com/in/johndoe",
    "javascript://www.linkedin.com/in/johndoe",
    "file://www.linkedin.com/in/johndoe",
    "ftp://www.linkedin.com/in/johndoe",
    "https://127.0.0.1/in/johndoe",
    "https://[::ffff:7f00:1]/in/johndoe",
    "https://169.254.169.254/latest/meta-data/in/johndoe",
    "https://www.linkedin.com/company/johndoe",
    "https://www.linkedin.com/in/",
    "https://www.linkedin.com/in//johndoe",
    "https://www.linkedin.com/in/../company/x",
    "https://www.linkedin.com/in/%2e%2e/company",
    "https://www.linkedin.com/in/john%2fdoe",
    "https://www.linkedin.com/in/john%00doe",
    "https://www.linkedin.com/in/john%0d%0adoe",
    "https://www.linkedin.com/in/john%ff%fe",
    "https://www.linkedin.com/in/john%e2%80%ae",
    "https://www.linkedin.com/in/johndoe/details/experience",
    "https://www.linkedin.com/in/johndoe#@evil.example",
    "https://www.linkedin.com/in/johndoe;x",
    "https://www.linkedin.com/in/jérôme",
    "https://www.linkedin.com/in/" + "a" * 151,
    "https://" + "a." * 20 + "linkedin.com/in/johndoe",
    "johndoe",
]


@pytest.mark.parametrize("url", ATTACKS)
async def test_nothing_but_a_profile_is_asked_for(resumes: httpx.AsyncClient, user: dict[str, str], url: str) -> None:
    answer = await resumes.post(PATH, json={"linkedin_url": url}, headers=user)
    assert (answer.status_code, answer.json()) == (400, INVALID)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"linkedin_url": ["This field is required."]}),
        ({"linkedin_url": None}, {"linkedin_url": ["This field may not be null."]}),
        ({"linkedin_url": "  "}, {"linkedin_url": ["This field may not be blank."]}),
        ({"linkedin_url": ["x"]}, {"linkedin_url": ["Not a valid string."]}),
        ({"linkedin_url": True}, {"linkedin_url": ["Not a valid string."]}),
        ({"linkedin_url": 7}, INVALID),
        ({"linkedin_url": "a\x00b"}, {"linkedin_url": ["Null characters are not allowed."]}),
        ({"file": "export.zip"}, {"file": ["The submitted data was not a file. Check the encoding type on the form."]}),
        ({"file": [1]}, {"file": ["The submitted data was not a file. Check the encoding type on the form."]}),
        ([], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
        ({"linkedin_url": PROFILE + "nobody-of-that-name"}, UNKNOWN),
        ({"linkedin_url": PROFILE + "j%C3%A9r%C3%B4me"}, UNKNOWN),
    ],
)
async def test_bad_requests_are_told_as_drf_would(
    resumes: httpx.AsyncClient, user: dict[str, str], body: Any, errors: Any
) -> None:
    answer = await resumes.post(PATH, json=body, headers=user)
    assert (answer.status_code, answer.json()) == (400, errors)
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_an_import_is_only_posted(resumes: httpx.AsyncClient, user: dict[str, str], method: str) -> None:
    answer = await resumes.request(method, PATH, headers=user)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")


async def test_an_import_sent_twice_with_a_key_is_one_resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    headers = {**user, "Idempotency-Key": "import-1"}
    bodies = [
        (await resumes.post(PATH, json={"linkedin_url": PROFILE + "johndoe"}, headers=headers)).json() for _ in "ab"
    ]
    assert bodies[0]["id"] == bodies[1]["id"]
    assert len((await resumes.get("/api/resumes/", headers=user)).json()) == 1


async def test_an_upload_sent_twice_with_a_key_is_one_resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    headers = {**user, "Idempotency-Key": "import-2"}
    content = zipped(EXPORT)
    answers = [await resumes.post(PATH, files={"file": ("export.zip", content)}, headers=headers) for _ in "ab"]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


@pytest.fixture(scope="session")
async def without_source(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app, {**environment, "LINKEDIN_SOURCE_URL": "", "LINKEDIN_SOURCE_TOKEN": ""}) as client:
        yield client


@pytest.fixture(scope="session")
async def impatient(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The service with little time for its source."""
    async with serving(app, {**environment, "LINKEDIN_SOURCE_TIMEOUT": "0.5"}) as client:
        yield client


async def test_without_a_source_the_file_is_asked_for(without_source: httpx.AsyncClient, user: dict[str, str]) -> None:
    answer = await without_source.post(PATH, json={"linkedin_url": PROFILE + "johndoe"}, headers=user)
    assert (answer.status_code, answer.json()) == (
        400,
        {"linkedin_url": ["Import by URL is not available here. Upload your LinkedIn data export (ZIP) instead."]},
    )
    assert (await imported(without_source, user, EXPORT))["full_name"] == "Jane Smith"
    assert (await without_source.post(PATH, json={"linkedin_url": "x"}, headers=user)).json() == INVALID


@pytest.mark.parametrize(
    ("slug", "retry_after"),
    [
        ("source-down", "30"),
        ("source-throttled", "7"),
        ("source-redirects", "30"),
        ("source-garbled", "30"),
        ("source-endless", "30"),
        ("source-slow", "30"),
    ],
)
async def test_a_failing_source_is_a_503(
    impatient: httpx.AsyncClient, user: dict[str, str], slug: str, retry_after: str
) -> None:
    answer = await impatient.post(PATH, json={"linkedin_url": PROFILE + slug}, headers=user)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, retry_after)
    assert answer.json() == {"detail": "LinkedIn profiles are not available now, try again later."}


async def test_a_source_that_is_gone_or_refuses_us_is_a_503(environment: dict[str, str], user: dict[str, str]) -> None:
    for changes in ({"LINKEDIN_SOURCE_URL": "http://127.0.0.1:1/"}, {"LINKEDIN_SOURCE_TOKEN": "wrong"}):
        async with serving(app, {**environment, **changes}) as client:
            answer = await client.post(PATH, json={"linkedin_url": PROFILE + "johndoe"}, headers=user)
        assert answer.status_code == 503


async def test_the_source_gets_the_rebuilt_address_the_token_and_nothing_else(
    environment: dict[str, str], user: dict[str, str]
) -> None:
    asked: list[Request] = []

    async def answer(request: Request) -> Response:
        asked.append(request)
        return JSONResponse({"basics": {"name": "Anybody"}})

    async with serving(lambda: Starlette(routes=[Route("/v1/person", answer)]), {}) as source:
        url = f"{source.base_url}/v1/person?tier=2"
        async with serving(app, {**environment, "LINKEDIN_SOURCE_URL": url, "LINKEDIN_SOURCE_TOKEN": "t"}) as client:
            sent = "https://fr.linkedin.com/in/Any-Body/?url=https://evil.example"
            assert (await client.post(PATH, json={"linkedin_url": sent}, headers=user)).status_code == 201
    assert dict(asked[0].query_params) == {"tier": "2", "url": "https://www.linkedin.com/in/Any-Body"}
    assert asked[0].headers["authorization"] == "Bearer t"
    assert "x-identity" not in asked[0].headers


async def test_a_profile_without_a_name_makes_no_resume(environment: dict[str, str], user: dict[str, str]) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse({"basics": {"email": "anybody@example.com"}})

    async with (
        serving(lambda: Starlette(routes=[Route("/", answer)]), {}) as source,
        serving(app, {**environment, "LINKEDIN_SOURCE_URL": f"{source.base_url}/"}) as client,
    ):
        refused = await client.post(PATH, json={"linkedin_url": PROFILE + "anybody"}, headers=user)
        assert (refused.status_code, refused.json()) == (400, {"linkedin_url": ["This profile has no name."]})
        assert (await client.get("/api/resumes/", headers=user)).json() == []


async def test_without_a_free_template_there_is_no_import(
    resumes: httpx.AsyncClient, user: dict[str, str], neighbours: Any
) -> None:
    neighbours[0].default_template = None
    try:
        answer = await resumes.post(PATH, json={"linkedin_url": PROFILE + "johndoe"}, headers=user)
    finally:
        neighbours[0].default_template = 1
    assert (answer.status_code, answer.json()) == (503, {"detail": "There is no free template to import into."})


# --- By file ------------------------------------------------------------------------------------------------------


async def test_a_data_export_becomes_a_resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    body = await imported(resumes, user, EXPORT)
    assert (body["full_name"], body["email"], body["title"]) == ("Jane Smith", "jane@example.com", "Designer")
    assert (body["summary"], body["address"]) == ('Ten years, and "more".', "Paris, France")
    assert (body["linkedin_url"], body["template"]) == (None, 1)
    first, second = body["experiences"]
    assert {**first, "id": 0} == {
        "id": 0, "company": "Acme", "position": "Lead designer", "location": "Paris", "start_date": "2024-03-01",
        "end_date": None, "is_current": True, "description": "Led design.\nHired four.", "order": 0,
    }  # fmt: skip
    assert (second["start_date"], second["end_date"], second["is_current"]) == ("2019-01-01", "2024-02-01", False)
    assert [(skill["name"], skill["level"]) for skill in body["skills"]] == [("Figma", None), ("Typography", None)]
    assert body["import_report"] == [{"file": "Profile.csv", "reason": "A CV has no place for: industry."}]


async def test_the_other_files_of_an_export_are_read_too(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files: dict[str, str | bytes] = {
        **EXPORT,
        "PhoneNumbers.csv": "Extension,Number,Type\n,+33 1 23 45 67 89,Home\n,+33 6 12 34 56 78,Mobile\n",
        "Education.csv": (
            "School Name,Start Date,End Date,Notes,Degree Name,Activities\n"
            "ENSAD,2010,2015,With honors,Master,Student union\n"
        ),
        "Languages.csv": "Name,Proficiency\nFrench,Native or bilingual proficiency\nTamil,\n",
        "Certifications.csv": (
            "Name,Url,Authority,Started On,Finished On,License Number\n"
            "UX,https://certs.example.com/1,UX Institute,Jun 2021,,AB-1\nBare,,,,,\n"
        ),
        "Projects.csv": (
            "Title,Description,Url,Started On,Finished On\n"
            "Type,A typeface,https://type.example.com,Jan 2020,Mar 2021\nNo scheme,,type.example.com,,\n"
        ),
        "Volunteering.csv": (
            "Company Name,Role,Cause,Started On,Finished On,Description\n"
            "Red Cross,First aider,Health,Mar 2018,Apr 2020,Weekends.\n"
        ),
        "Honors.csv": "Title,Description,Issued On\nD&AD Pencil,For Type,May 2021\n",
        "Publications.csv": (
            'Name,Published On,Description,Publisher,Url\nOn ink,"Mar 5, 2020",,Press,https://ink.example.com\n'
        ),
    }
    body = await imported(resumes, user, files)
    assert body["phone"] == "+33 6 12 34 56 78"
    studies = body["education"][0]
    assert (studies["institution"], studies["degree"], studies["field_of_study"]) == ("ENSAD", "Master", None)
    assert (studies["start_date"], studies["end_date"]) == ("2010-01-01", "2015-01-01")
    assert studies["description"] == "With honors\nStudent union"
    assert body["languages_data"] == [
        {"language": "French", "level": "Native or bilingual proficiency"},
        {"language": "Tamil", "level": None},
    ]
    assert body["certifications_data"] == [
        {
            "name": "UX", "issuer": "UX Institute", "date": "2021-06-01", "url": "https://certs.example.com/1",
            "license_number": "AB-1",
        },
        {"name": "Bare", "issuer": None, "date": None},
    ]  # fmt: skip
    assert body["projects_data"] == [
        {
            "name": "Type", "description": "A typeface", "url": "https://type.example.com",
            "start_date": "2020-01-01", "end_date": "2021-03-01",
        },
        {"name": "No scheme", "description": None, "url": None},
    ]  # fmt: skip
    assert told(body, "Projects.csv") == [(3, 'url is left out: "type.example.com" is not a link that a CV takes.')]
    assert body["custom_sections"] == [
        {
            "title": "Bénévolat",
            "content": "First aider, Red Cross, Health, Mar 2018 – Apr 2020\nWeekends.",
        },
        {"title": "Distinctions", "content": "D&AD Pencil, May 2021\nFor Type"},
        {"title": "Publications", "content": "On ink, Press, Mar 5, 2020\nhttps://ink.example.com"},
    ]


async def test_folders_case_marks_and_line_ends_do_not_matter(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files: dict[str, str | bytes] = {}
    for name, text in EXPORT.items():
        header, _, rows = text.partition("\n")
        files[f"Basic_LinkedInDataExport_03-15-2024/{name.upper()}"] = (
            "\ufeff" + f"{header.upper()}\n{rows}".replace("\n", "\r\n")
        ).encode()
    files["__MACOSX/._Profile.csv"] = b"\x00\x05\x16\x07"
    body = await imported(resumes, user, files)
    assert (body["full_name"], body["email"], len(body["skills"])) == ("Jane Smith", "jane@example.com", 2)
    assert body["experiences"][0]["description"] == "Led design.\r\nHired four."
    assert body["import_report"] == [{"file": "PROFILE.CSV", "reason": "A CV has no place for: industry."}]


async def test_latin_1_is_understood(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    profile = f"{PROFILE_HEADER}\nÉloïse,Lefèvre,,,,Œnologue,,,,,,,\n"
    body = await imported(resumes, user, {"Profile.csv": profile.encode("cp1252")})
    assert (body["full_name"], body["title"]) == ("Éloïse Lefèvre", "Œnologue")


async def test_one_bad_byte_spoils_one_line_and_is_told(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    skills = "Name\nÉlectricité\nSoudure \u20ac\n日本語\n".encode().replace("\u20ac".encode(), b"\x80")
    body = await imported(resumes, user, {**EXPORT, "Skills.csv": skills})
    assert [skill["name"] for skill in body["skills"]] == ["Électricité", "Soudure €", "日本語"]
    assert told(body, "Skills.csv") == [(None, "Some of its letters may be wrong: it is not in UTF-8 throughout.")]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
async def test_utf_16_is_understood_by_its_mark(
    resumes: httpx.AsyncClient, user: dict[str, str], codec: str, line_end: str
) -> None:
    files = {
        name: ("\ufeff" + text.replace("\n", line_end)).replace("Jane", "Jana Čapek").encode(codec)
        for name, text in EXPORT.items()
    }
    body = await imported(resumes, user, files)
    assert (body["full_name"], body["email"]) == ("Jana Čapek Smith", "jane@example.com")
    assert (len(body["experiences"]), len(body["skills"])) == (2, 2)
    assert told(body, "Profile.csv") == [(None, "A CV has no place for: industry.")]


async def test_translated_file_names_are_known_by_their_headers(
    resumes: httpx.AsyncClient, user: dict[str, str]
) -> None:
    names = {
        "Profile.csv": "Profil.csv",
        "Email Addresses.csv": "E-Mail-Adressen.csv",
        "Positions.csv": "Berufserfahrung.csv",
        "Skills.csv": "Compétences.csv",
    }
    body = await imported(resumes, user, {names[name]: text for name, text in EXPORT.items()})
    assert (body["full_name"], body["email"]) == ("Jane Smith", "jane@example.com")
    assert (len(body["experiences"]), len(body["skills"])) == (2, 2)


async def test_the_profile_summary_is_not_the_profile(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files = {"Profile Summary.csv": f"{PROFILE_HEADER}\nNot,Me,,,,,,,,,,,\n", **EXPORT}
    body = await imported(resumes, user, files)
    assert body["full_name"] == "Jane Smith"
    assert told(body, "Profile Summary.csv") == [(None, "It is left out: a CV has no place for what it holds.")]


@pytest.mark.parametrize(
    ("websites", "website", "github", "left_out"),
    [
        ("[PORTFOLIO:https://jane.example.com]", "https://jane.example.com", None, 0),
        (
            "[COMPANY:https://a.example.com/x?y=1:2],[OTHER:https://www.github.com/jane],[BLOG:https://b.example.com]",
            "https://a.example.com/x?y=1:2", "https://www.github.com/jane", 1,
        ),
        (
            "[OTHER:https://github.com/x,PERSONAL:https://b.example.org]",
            "https://b.example.org", "https://github.com/x", 0,
        ),
        (
            "[BLOG:https://a.example.com/x,y, RSS_FEED:https://b.example.org],[OTHER:http://github.com/x]",
            "https://a.example.com/x,y", "http://github.com/x", 1,
        ),
        ("https://jane.example.com", "https://jane.example.com", None, 0),
        ("[PORTFOLIO:javascript:alert(1)],[BLOG:]", None, None, 1),
        ("[PERSONAL:jane.example.com]", None, None, 1),
    ],
)  # fmt: skip
async def test_websites(
    resumes: httpx.AsyncClient, user: dict[str, str],
    websites: str, website: str | None, github: str | None, left_out: int,
) -> None:  # fmt: skip
    profile = f'{PROFILE_HEADER}\nJane,Smith,,,,,,,,,,"{websites}",\n'
    body = await imported(resumes, user, {"Profile.csv": profile})
    assert (body["website"], body["github_url"]) == (website, github)
    assert len(told(body, "Profile.csv")) == left_out


@pytest.mark.parametrize(
    ("rows", "email"),
    [
        ("a@example.com,Yes,No,\nb@example.com,No,Yes,\n", "b@example.com"),
        ("a@example.com,No,No,\nb@example.com,Yes,No,\n", "b@example.com"),
        ("not an address,Yes,Yes,\nb@example.com,No,No,\n", "b@example.com"),
        (",Yes,Yes,\n", ""),
    ],
)
async def test_the_primary_address_is_taken(
    resumes: httpx.AsyncClient, user: dict[str, str], rows: str, email: str
) -> None:
    files = {**EXPORT, "Email Addresses.csv": f"Email Address,Confirmed,Primary,Updated On\n{rows}"}
    assert (await imported(resumes, user, files))["email"] == email


async def test_rows_that_lack_what_a_cv_needs_are_told(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    positions = (
        "Company Name,Title,Description,Location,Started On,Finished On\n"
        "Acme,Boss,,,,\n"
        ",,,,,\n"
        "Solo,,,,Mar 2020,\n"
        "Late,Clerk,,,Marz 2020,\n"
        "Back,Clerk,,,Mar 2020,Feb 2020\n"
        "Short,Clerk\n"
        f"Long,Clerk,{'x' * 10_001},,2020,Present\n"
    )
    body = await imported(resumes, user, {**EXPORT, "Positions.csv": positions})
    assert [(job["company"], job["end_date"], job["is_current"]) for job in body["experiences"]] == [
        ("Back", None, False), ("Long", None, True),
    ]  # fmt: skip
    assert len(body["experiences"][1]["description"]) == 10_000
    assert told(body, "Positions.csv") == [
        (2, '"Boss" is left out: it has no start_date.'),
        (4, '"Solo" is left out: it has no position.'),
        (5, 'started on is left out: "Marz 2020" is not a date.'),
        (5, '"Clerk" is left out: it has no start_date.'),
        (6, "finished on is left out: it is before started on."),
        (7, '"Clerk" is left out: it has no start_date.'),
        (8, "description is cut after 10000 characters."),
    ]


async def test_missing_files_and_columns_are_normal(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files = {"Profile.csv": "First Name,Last Name\nAda,Byron\n", "Skills.csv": EXPORT["Skills.csv"]}
    body = await imported(resumes, user, files)
    assert (body["full_name"], body["email"], len(body["skills"])) == ("Ada Byron", "", 2)
    assert body["import_report"] == [{"file": "resume", "reason": "The source has no email."}]


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"Profile.csv": "First Name,Last Name\n"},
        {"Profile.csv": f"{PROFILE_HEADER}\n , ,,,,Designer,,,,,,,\n"},
        {"Leute.csv": "First Name,Last Name\nOther,Person\n"},
    ],
)
async def test_an_archive_without_a_name_makes_no_resume(
    resumes: httpx.AsyncClient, user: dict[str, str], profile: dict[str, str]
) -> None:
    answer = await upload(resumes, user, {"Skills.csv": EXPORT["Skills.csv"], **profile})
    assert (answer.status_code, answer.json()) == (400, {"file": ["No profile with a name was found in the archive."]})
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


async def test_the_profiles_address_may_come_with_the_file(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    answer = await upload(resumes, user, EXPORT, data={"linkedin_url": "https://fr.linkedin.com/in/jane/?x"})
    assert (answer.status_code, answer.json()["linkedin_url"]) == (201, "https://www.linkedin.com/in/jane")
    answer = await upload(resumes, user, EXPORT, data={"linkedin_url": "https://evil.example/in/jane"})
    assert (answer.status_code, answer.json()) == (400, INVALID)


OTHERS = [
    "Connections.csv", "messages.csv", "guide_messages.csv", "Invitations.csv", "Recommendations_Given.csv",
    "Recommendations_Received.csv", "Endorsement_Given_Info.csv", "ImportedContacts.csv", "Member_Follows_123.csv",
    "Reactions_123.csv", "Ad_Targeting.csv", "Jobs/Job Applications.csv", "Articles/Articles/on-type.html",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
async def test_files_that_are_not_of_a_cv_are_never_opened(
    resumes: httpx.AsyncClient, user: dict[str, str], name: str
) -> None:
    """Their content is broken: whoever opened them would fail."""
    content = damaged(zipped({**EXPORT, f"Export/{name}": f"{PROFILE_HEADER}\n{'Other,Person' * 40}\n"}), name)
    body = await imported(resumes, user, content)
    assert body["full_name"] == "Jane Smith"
    told_of = name.rpartition("/")[2]
    assert told(body, told_of) == [(None, "It is left out: a CV has no place for what it holds.")]


@pytest.mark.parametrize("name", [name for name in OTHERS if name.endswith(".csv")])
async def test_what_they_hold_does_not_come_along_even_if_it_looks_like_a_cv(
    resumes: httpx.AsyncClient, user: dict[str, str], name: str
) -> None:
    body = await imported(resumes, user, {"Profile.csv": EXPORT["Profile.csv"], name: "Name\nSomebody else\n"})
    assert body["skills"] == []


def damaged(content: bytes, name: str) -> bytes:
    """An archive with one file's compressed bytes overwritten."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = next(entry for entry in archive.infolist() if entry.filename.endswith(name))
    start = entry.header_offset + 30 + len(entry.filename.encode())
    return content[:start] + b"\xff" * entry.compress_size + content[start + entry.compress_size :]


async def test_of_an_unknown_file_only_the_header_is_looked_at(
    resumes: httpx.AsyncClient, user: dict[str, str]
) -> None:
    files = {**EXPORT, "Kontakte.csv": "First Name,Last Name,URL,Connected On\nOther,Person,x,y\n", "Cours.csv": ""}
    body = await imported(resumes, user, files)
    assert told(body, "Kontakte.csv") == [(None, "It is left out: a CV has no place for what it holds.")]
    assert "Other" not in json.dumps(body)
    content = damaged(zipped({**EXPORT, "Unbekannt.csv": "Name\n" * 300}), "Unbekannt.csv")
    assert len((await imported(resumes, user, content))["skills"]) == 2


async def test_two_files_of_a_kind_count_once(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files = {"Kenntnisse.csv": "Name\nSketching\n", **EXPORT}
    body = await imported(resumes, user, files)
    assert [skill["name"] for skill in body["skills"]] == ["Figma", "Typography"]
    assert told(body, "Kenntnisse.csv") == [(None, "It is left out: another file holds the same columns.")]


async def test_thousands_of_rows_are_cut_and_told(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    skills = "Name\n" + "".join(f"Skill {number}\n" for number in range(5000))
    body = await imported(resumes, user, {**EXPORT, "Skills.csv": skills})
    assert len(body["skills"]) == 200
    reasons = [reason for _, reason in told(body, "Skills.csv")]
    assert "Only its first 2000 rows are read." in reasons
    assert "It is left out: a section takes 200 entries." in reasons
    assert len(body["import_report"]) == 201


def with_flag(content: bytes, flag: int) -> bytes:
    """An archive whose first entry has a flag more, in both of its headers."""
    patched = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(signature) + offset
        struct.pack_into("<H", patched, at, struct.unpack_from("<H", patched, at)[0] | flag)
    return bytes(patched)


def with_link() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in EXPORT.items():
            archive.writestr(name, text)
        link = zipfile.ZipInfo("Education.csv")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return content.getvalue()


def claiming(size: int) -> bytes:
    """An archive whose directory says that the first file is so large."""
    content = bytearray(zipped({"Profile.csv": EXPORT["Profile.csv"]}))
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size)
    return bytes(content)


DAMAGED = "The file is not a ZIP archive, or it is damaged."
OUTSIDE = "The ZIP archive holds a path that leads outside of it."
BOMB = "The ZIP archive holds a file that is compressed beyond belief."
MEGABYTE = 2**20


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The submitted file is empty."),
        (b"PK\x03\x04 not really", DAMAGED),
        (b"%PDF-1.7", DAMAGED),
        (zipped(EXPORT)[:-40], DAMAGED),
        (damaged(zipped(EXPORT), "Positions.csv"), DAMAGED),
        (zipped(EXPORT, zipfile.ZIP_LZMA), "The ZIP archive is compressed in a way that is not read here."),
        (claiming(100), DAMAGED),
        (zipped({}), "The ZIP archive is not a LinkedIn data export: it holds none of its files."),
        (
            zipped({"holiday.jpg": b"\xff\xd8"}),
            "The ZIP archive is not a LinkedIn data export: it holds none of its files.",
        ),
        (with_flag(zipped(EXPORT), 0x1), "The ZIP archive is protected by a password."),
        (with_link(), "The ZIP archive holds a link or a device."),
        (zipped({**EXPORT, "../Profile.csv": "x"}), OUTSIDE),
        (zipped({**EXPORT, "a/../../Profile.csv": "x"}), OUTSIDE),
        (zipped({**EXPORT, "/etc/cron.d/x": "x"}), OUTSIDE),
        (zipped({**EXPORT, "C:\\Profile.csv": "x"}), OUTSIDE),
        (zipped({**EXPORT, "a\\..\\..\\x.csv": "x"}), OUTSIDE),
        (
            zipped({**EXPORT, "more.zip": zipped(EXPORT)}),
            "The ZIP archive holds another one. Upload the export as LinkedIn made it.",
        ),
        (zipped({**EXPORT, "Skills.csv": b"\0" * 10 * MEGABYTE}), BOMB),
        (zipped({**EXPORT, "bomb.bin": b"\0" * 10 * MEGABYTE}), BOMB),
        (claiming(0xFFFFFFF0), BOMB),
    ],
)
async def test_archives_that_are_refused(
    resumes: httpx.AsyncClient, user: dict[str, str], content: bytes, reason: str
) -> None:
    answer = await upload(resumes, user, content)
    assert (answer.status_code, answer.json()) == (400, {"file": [reason]})
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


@pytest.fixture(scope="session")
async def strict(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The service with small limits."""
    limits = {
        "IMPORT_FILE_LIMIT": str(MEGABYTE),
        "IMPORT_ARCHIVE_FILES": "10",
        "IMPORT_ARCHIVE_UNPACKED": str(MEGABYTE // 2),
        "IMPORT_ARCHIVE_READ": str(MEGABYTE // 8),
    }
    async with serving(app, {**environment, **limits}) as client:
        yield client


def noise(size: int) -> str:
    """So many characters that hardly compress."""
    return shake_256(b"noise").hexdigest(size // 2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped({"Profile.csv": noise(MEGABYTE)}, zipfile.ZIP_STORED), "The file may have at most 1 MB."),
        (zipped({f"{number}.csv": "Name\n" for number in range(11)}), "The ZIP archive holds more than 10 files."),
        (zipped({"a.txt": noise(MEGABYTE), **EXPORT}), "The ZIP archive is larger than 0.5 MB when unpacked."),
        (zipped({**EXPORT, "Skills.csv": f"Name\n{noise(MEGABYTE // 4)}"}), "Skills.csv is larger than 0.125 MB."),
    ],
)
async def test_limits_are_settings(
    strict: httpx.AsyncClient, user: dict[str, str], content: bytes, reason: str
) -> None:
    answer = await upload(strict, user, content)
    assert (answer.status_code, answer.json()) == (400, {"file": [reason]})


async def test_exports_at_once_are_all_taken(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    bodies = await asyncio.gather(*(imported(resumes, user, EXPORT) for _ in range(8)))
    assert len({body["id"] for body in bodies}) == 8
