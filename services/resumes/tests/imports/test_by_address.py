"""Imports by URL, from the real LinkedIn sandbox."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cv_resumes.main import app
from cv_testing.identity import IdentityKeys
from cv_testing.serving import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.resumes.tests.imports.export import (
    EXPORT,
    INVALID,
    PATH,
    PROFILE,
    UNKNOWN,
    fetched,
    imported,
    told,
    zipped,
)


async def test_form_with_an_empty_file_input_imports_by_url(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    content = (
        b'--BB\r\nContent-Disposition: form-data; name="linkedin_url"\r\n\r\nhttps://www.linkedin.com/in/johndoe\r\n'
        b'--BB\r\nContent-Disposition: form-data; name="file"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n--BB--\r\n"
    )
    headers = {**user, "Content-Type": "multipart/form-data; boundary=BB"}
    answer = await resumes.post(PATH, content=content, headers=headers)
    assert (answer.status_code, answer.json()["full_name"]) == (201, "John Doe")


async def test_documented_example_is_imported_field_by_field(
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


async def test_imported_resume_is_a_normal_resume(
    resumes: httpx.AsyncClient, user: dict[str, str], user_id: int
) -> None:
    body = await fetched(resumes, user, "johndoe")
    assert (body["user"], body["session_id"]) == (user_id, None)
    path = f"/api/resumes/{body['id']}/"
    stored = (await resumes.get(path, headers=user)).json()
    assert stored["experiences"] == body["experiences"]
    changed = await resumes.patch(path, json={"title": "CTO"}, headers=user)
    assert (changed.status_code, changed.json()["title"]) == (200, "CTO")


async def test_every_json_resume_section_is_imported(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
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


async def test_section_titles_are_in_the_requested_language(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    headers = {**user, "Accept-Language": "en-GB"}
    body = await fetched(resumes, headers, "camille-durand")
    assert body["custom_sections"][0]["title"] == "Volunteering"


async def test_missing_values_are_not_invented(resumes: httpx.AsyncClient, stranger: dict[str, str]) -> None:
    body = await fetched(resumes, stranger, "no-mail")
    assert body["email"] == ""
    assert [skill["level"] for skill in body["skills"]] == [None, None]
    assert body["import_report"] == [{"file": "resume", "reason": "The source has no email."}]


async def test_missing_email_is_replaced_by_the_accounts(
    resumes: httpx.AsyncClient, identity_keys: IdentityKeys, user_id: int
) -> None:
    user = identity_keys.user("resumes", user_id, "nadia@example.com")
    assert (await fetched(resumes, user, "no-mail"))["email"] == "nadia@example.com"
    assert (await fetched(resumes, user, "johndoe"))["email"] == "john.doe@linkedin.com"


async def test_invalid_data_is_left_out_and_reported(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    body = await fetched(resumes, user, "odd-one")
    assert (body["full_name"], body["email"], body["phone"]) == ("Odette   Odd", "", "33612345678")
    assert (body["title"], body["website"], body["address"]) == (None, None, None)
    assert len(body["summary"]) <= 10_000
    assert body["summary"].startswith("😀 é Long.")
    assert [(job["company"], job["start_date"], job["end_date"], job["is_current"]) for job in body["experiences"]] == [
        ("No Start", None, None, False),
        ("Backwards", "2020-05-01", None, False),
        ("Never", None, None, False),
        ("Still", "2024-01-01", None, True),
        ("", "2020-01-01", None, True),
    ]
    assert [skill["name"] for skill in body["skills"]] == ["SQL", "x" * 100, "No group", "7"]
    assert body["projects_data"] == [{"name": "Linked", "description": None, "url": None}]
    assert (2, "endDate is in the description: it is before startDate.") in told(body, "work")
    assert (3, 'startDate is in the description: "2024-02-30" is not a date.') in told(body, "work")
    assert (5, "It is not an object.") in told(body, "work")
    assert (None, "summary is cut after 10000 characters.") in told(body, "basics")
    assert (None, "education is not a list.") in told(body, "profile")


async def test_excess_data_is_left_out_and_reported(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
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
        "https://www.linkedin.com/in/johndoe\n",
        "\r\n\thttps://www.linkedin.com/in/johndoe\r\n",
        "http://www.linkedin.com/in/johndoe",
        "HTTP://linkedin.com/in/johndoe/",
        "www.linkedin.com/in/johndoe",
        "linkedin.com/in/johndoe/",
        "WWW.LINKEDIN.COM/in/johndoe?trk=x",
        "https://www.linkedin.com/in/johndoe/details/experience/",
        "https://www.linkedin.com/in/johndoe/en",
        "https://www.linkedin.com/in/johndoe/overlay/contact-info/?x=1#y",
        "https://www.linkedin.com/in/johndoe#@evil.example",
    ],
)
async def test_every_spelling_of_a_profile_url_is_accepted(
    resumes: httpx.AsyncClient, user: dict[str, str], url: str
) -> None:
    answer = await resumes.post(PATH, json={"linkedin_url": url}, headers=user)
    assert (answer.status_code, answer.json()["linkedin_url"]) == (201, "https://www.linkedin.com/in/johndoe")


@pytest.mark.parametrize("field", ["website", "linkedin_url", "github_url"])
async def test_a_link_of_a_resume_names_its_scheme(
    resumes: httpx.AsyncClient, user: dict[str, str], field: str
) -> None:
    body = {"template": 1, "full_name": "John Doe", "email": "john.doe@example.com"}
    for pasted in ("www.linkedin.com/in/johndoe", "linkedin.com/in/johndoe"):
        refused = await resumes.post("/api/resumes/", json={**body, field: pasted}, headers=user)
        assert (refused.status_code, refused.json()) == (400, {field: ["Enter a valid URL."]})
    url = "http://www.LinkedIn.com/in/johndoe/en?x#y"
    created = await resumes.post("/api/resumes/", json={**body, field: f" {url}\r\n"}, headers=user)
    assert (created.status_code, created.json()[field]) == (201, url)


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
    "//www.linkedin.com/in/johndoe",
    "linkedin.com@evil.example/in/johndoe",
    "linkedin.com:443/in/johndoe",
    "linkedin.com.evil.example/in/johndoe",
    "evillinkedin.com/in/johndoe",
    "evil.example/linkedin.com/in/johndoe",
    "www.linkedin.com\\in\\johndoe",
    "http:/www.linkedin.com/in/johndoe",
    "https:www.linkedin.com/in/johndoe",
    "https://http://www.linkedin.com/in/johndoe",
    "http://127.0.0.1/in/johndoe",
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
    "https://www.linkedin.com/in/johndoe/../../company/x",
    "https://www.linkedin.com/in/johndoe/%2E%2e/x",
    "https://www.linkedin.com/in/johndoe/\\evil.example",
    "https://www.linkedin.com/in/johndoe/x y",
    "https://www.linkedin.com/in/johndoe https://evil.example/",
    "https://www.linkedin.com/in/johndoe;x",
    "https://www.linkedin.com/in/j\u202er\u00f4me",
    "https://www.linkedin.com/in/" + "é" * 40,
    "https://www.linkedin.com/in/" + "a" * 151,
    "https://" + "a." * 20 + "linkedin.com/in/johndoe",
    "johndoe",
]


@pytest.mark.parametrize("url", ATTACKS)
async def test_other_urls_are_refused(resumes: httpx.AsyncClient, user: dict[str, str], url: str) -> None:
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
        ({"linkedin_url": PROFILE + "jérôme/"}, UNKNOWN),
    ],
)
async def test_invalid_requests_get_drf_errors(
    resumes: httpx.AsyncClient, user: dict[str, str], body: Any, errors: Any
) -> None:
    answer = await resumes.post(PATH, json=body, headers=user)
    assert (answer.status_code, answer.json()) == (400, errors)
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_import_accepts_only_post(resumes: httpx.AsyncClient, user: dict[str, str], method: str) -> None:
    answer = await resumes.request(method, PATH, headers=user)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")


async def test_repeated_import_with_a_key_creates_one_resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    headers = {**user, "Idempotency-Key": "import-1"}
    bodies = [
        (await resumes.post(PATH, json={"linkedin_url": PROFILE + "johndoe"}, headers=headers)).json() for _ in "ab"
    ]
    assert bodies[0]["id"] == bodies[1]["id"]
    assert len((await resumes.get("/api/resumes/", headers=user)).json()) == 1


async def test_repeated_upload_with_a_key_creates_one_resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
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


async def test_import_by_url_without_a_source_asks_for_the_file(
    without_source: httpx.AsyncClient, user: dict[str, str]
) -> None:
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
async def test_failing_source_is_answered_with_503(
    impatient: httpx.AsyncClient, user: dict[str, str], slug: str, retry_after: str
) -> None:
    answer = await impatient.post(PATH, json={"linkedin_url": PROFILE + slug}, headers=user)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, retry_after)
    assert answer.json() == {"detail": "LinkedIn profiles are not available now, try again later."}


async def test_unreachable_source_is_answered_with_503(environment: dict[str, str], user: dict[str, str]) -> None:
    for changes in ({"LINKEDIN_SOURCE_URL": "http://127.0.0.1:1/"}, {"LINKEDIN_SOURCE_TOKEN": "wrong"}):
        async with serving(app, {**environment, **changes}) as client:
            answer = await client.post(PATH, json={"linkedin_url": PROFILE + "johndoe"}, headers=user)
        assert answer.status_code == 503


async def test_source_gets_only_the_rebuilt_url_and_the_token(
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


async def test_profile_without_a_name_is_refused(environment: dict[str, str], user: dict[str, str]) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse({"basics": {"email": "anybody@example.com"}})

    async with (
        serving(lambda: Starlette(routes=[Route("/", answer)]), {}) as source,
        serving(app, {**environment, "LINKEDIN_SOURCE_URL": f"{source.base_url}/"}) as client,
    ):
        refused = await client.post(PATH, json={"linkedin_url": PROFILE + "anybody"}, headers=user)
        assert (refused.status_code, refused.json()) == (400, {"linkedin_url": ["This profile has no name."]})
        assert (await client.get("/api/resumes/", headers=user)).json() == []


async def test_import_without_a_free_template_is_answered_with_503(
    resumes: httpx.AsyncClient, user: dict[str, str], fake_services: Any
) -> None:
    fake_services[0].default_template = None
    try:
        answer = await resumes.post(PATH, json={"linkedin_url": PROFILE + "johndoe"}, headers=user)
    finally:
        fake_services[0].default_template = 1
    assert (answer.status_code, answer.json()) == (503, {"detail": "There is no free template to import into."})
