"""The HTTP API, with the contract's examples."""

import asyncio
from typing import Any

import httpx
import pytest
from cv_testing.identity import IdentityKeys

MINIMUM = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}

COMPLETE: dict[str, Any] = {
    "template": 2,
    "full_name": "Marie Dubois",
    "email": "marie.dubois@example.com",
    "phone": "+33699887766",
    "address": "45 Avenue des Champs-Élysées, 75008 Paris",
    "website": "https://mariedubois.fr",
    "linkedin_url": "https://linkedin.com/in/mariedubois",
    "github_url": "https://github.com/mariedubois",
    "title": "Chef de Projet Digital",
    "summary": "Chef de projet avec 7 ans d'expérience dans la transformation digitale",
    "experience_data": [
        {
            "company": "Digital Agency",
            "position": "Chef de Projet Senior",
            "location": "Paris, France",
            "start_date": "2020-03-01",
            "end_date": None,
            "is_current": True,
            "description": "Gestion de projets web complexes pour grands comptes",
            "order": 0,
        }
    ],
    "education_data": [
        {
            "institution": "ESSEC Business School",
            "degree": "MBA",
            "field_of_study": "Marketing Digital",
            "location": "Cergy, France",
            "start_date": "2015-09-01",
            "end_date": "2017-06-30",
            "is_current": False,
            "grade": "Distinction",
            "description": None,
            "order": 0,
        }
    ],
    "skills_data": [
        {"name": "Gestion de projet", "level": "expert", "category": "Management", "order": 0},
        {"name": "Agile/Scrum", "level": "advanced", "category": "Méthodologie", "order": 1},
    ],
    "languages_data": [{"language": "Français", "level": "Natif"}, {"language": "Anglais", "level": "Bilingue"}],
    "certifications_data": [{"name": "PMP Certification", "issuer": "PMI", "date": "2019-11-20"}],
    "projects_data": [
        {
            "name": "Refonte site e-commerce",
            "description": "Direction de la refonte complète d'un site e-commerce (2M€ de budget)",
            "url": None,
        }
    ],
    "custom_sections": [],
}

TECH_CORP = {
    "company": "Tech Corp",
    "position": "Senior Developer",
    "location": "Paris, France",
    "start_date": "2020-01-15",
    "end_date": None,
    "is_current": True,
    "description": "Développement d'applications web modernes",
    "order": 0,
}
STARTUP = {
    "company": "StartupXYZ",
    "position": "Junior Developer",
    "location": "Lyon, France",
    "start_date": "2018-06-01",
    "end_date": "2019-12-31",
    "is_current": False,
    "description": "Développement frontend avec React",
    "order": 1,
}
FREELANCE = {
    "company": "FreelanceWork",
    "position": "Consultant Freelance",
    "location": "Remote",
    "start_date": "2017-01-01",
    "end_date": "2018-05-31",
    "is_current": False,
    "description": "Missions en développement web pour divers clients",
    "order": 2,
}


async def create(resumes: httpx.AsyncClient, headers: dict[str, str], **changes: Any) -> dict[str, Any]:
    answer = await resumes.post("/api/resumes/", json={**MINIMUM, **changes}, headers=headers)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_missing_fields_get_defaults(resumes: httpx.AsyncClient, user: dict[str, str], user_id: int) -> None:
    created = await create(resumes, user)
    moments = {name: created.pop(name) for name in ("created_at", "updated_at", "last_accessed")}
    assert created == {
        "id": created["id"], "session_id": None, "user": user_id, "template": 1,
        "full_name": "Marie Dubois", "email": "marie.dubois@example.com",
        "phone": None, "address": None, "website": None, "linkedin_url": None, "github_url": None,
        "photo": None, "title": None, "summary": None,
        "experiences": [], "education": [], "skills": [],
        "languages_data": [], "certifications_data": [], "projects_data": [], "custom_sections": [],
        "is_paid": False, "payment_type": "free", "can_export_without_watermark": True,
    }  # fmt: skip
    assert len(set(moments.values())) == 1
    assert all(len(moment) == len("2025-10-29T17:00:00Z") and moment.endswith("Z") for moment in moments.values())


async def test_complete_resume_is_returned_as_documented(resumes: httpx.AsyncClient, stranger: dict[str, str]) -> None:
    answer = await resumes.post("/api/resumes/", json=COMPLETE, headers=stranger)
    created = answer.json()
    assert answer.status_code == 201
    assert created["session_id"] == answer.headers["X-Session-Start"]
    assert created["user"] is None
    scalars = ("template", "full_name", "email", "phone", "address", "website", "title", "summary")
    lists = ("languages_data", "certifications_data", "projects_data", "custom_sections")
    assert {name: created[name] for name in scalars + lists} == {name: COMPLETE[name] for name in scalars + lists}
    for section, sent in (
        ("experiences", "experience_data"),
        ("education", "education_data"),
        ("skills", "skills_data"),
    ):
        entries = created[section]
        assert [{key: value for key, value in entry.items() if key != "id"} for entry in entries] == COMPLETE[sent]
        assert all(isinstance(entry["id"], int) for entry in entries)
    assert list(created["experiences"][0]) == [
        "id", "company", "position", "location", "start_date", "end_date", "is_current", "description", "order",
    ]  # fmt: skip
    assert created["can_export_without_watermark"] is False


async def test_anonymous_visitor_keeps_one_session(
    resumes: httpx.AsyncClient, stranger: dict[str, str], identity_keys: IdentityKeys
) -> None:
    first = await resumes.post("/api/resumes/", json=MINIMUM, headers=stranger)
    session = identity_keys.session("resumes", first.headers["X-Session-Start"])
    second = await resumes.post("/api/resumes/", json=MINIMUM, headers=session)
    assert "X-Session-Start" not in second.headers
    listed = (await resumes.get("/api/resumes/", headers=session)).json()
    assert [resume["id"] for resume in listed] == [second.json()["id"], first.json()["id"]]
    assert (await resumes.get("/api/resumes/", headers=stranger)).json() == []


async def test_adding_an_experience_keeps_the_ids_of_the_others(
    resumes: httpx.AsyncClient, user: dict[str, str]
) -> None:
    created = await create(resumes, user, experience_data=[TECH_CORP, STARTUP])
    path = f"/api/resumes/{created['id']}/"
    patched = await resumes.patch(path, json={"experience_data": [TECH_CORP, STARTUP, FREELANCE]}, headers=user)
    assert patched.status_code == 200
    ids = [entry["id"] for entry in patched.json()["experiences"]]
    assert ids[:2] == [entry["id"] for entry in created["experiences"]]
    assert ids[2] not in ids[:2]
    assert patched.json()["experiences"] == (await resumes.get(path, headers=user)).json()["experiences"]


@pytest.mark.parametrize(
    ("sent", "answered", "entry"),
    [
        ("experience_data", "experiences", {"company": "Acme", "start_date": "2020-01-01", "position": "J{}"}),
        ("education_data", "education", {"institution": "Acme", "start_date": "2020-01-01", "degree": "J{}"}),
        ("skills_data", "skills", {"name": "J{}"}),
    ],
)
async def test_appended_entry_without_an_order_comes_last(
    resumes: httpx.AsyncClient, user: dict[str, str], sent: str, answered: str, entry: dict[str, str]
) -> None:
    def entries(*names: Any) -> list[dict[str, str]]:
        return [{key: value.format(name) for key, value in entry.items()} for name in names]

    created = await create(resumes, user, **{sent: entries(*range(6))})
    assert [each["order"] for each in created[answered]] == list(range(6))
    last = entries("LAST")[0]
    for remaining in (created[answered][4:], [{**each, "id": None} for each in created[answered][4:]]):
        body = {sent: [*remaining, last, {**last, "order": None}]}
        changed = (await resumes.patch(f"/api/resumes/{created['id']}/", json=body, headers=user)).json()
        assert [each["order"] for each in changed[answered]] == [4, 5, 6, 7]
        assert [each["id"] for each in changed[answered][:2]] == [each["id"] for each in created[answered][4:]]
        assert changed[answered][3].items() >= last.items()


async def test_autosave_changes_only_what_was_sent(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    created = await create(resumes, user, title="Développeur", phone="+33612345678")
    path = f"/api/resumes/{created['id']}/"
    changes = {"title": "Lead Developer Full Stack", "is_paid": True, "user": 7, "id": 9, "unknown": 1}
    patched = (await resumes.patch(path, json=changes, headers=user)).json()
    moving = ("title", "updated_at", "last_accessed")
    assert patched["title"] == "Lead Developer Full Stack"
    assert {k: v for k, v in patched.items() if k not in moving} == {
        k: v for k, v in created.items() if k not in moving
    }


async def test_concurrent_edits_are_all_saved(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    created = await create(resumes, user)
    path = f"/api/resumes/{created['id']}/"
    edits = [{"title": "Designer"}, {"summary": "Dix ans"}, {"phone": "+331"}, {"address": "Paris"}] * 5
    answers = await asyncio.gather(*(resumes.patch(path, json=edit, headers=user) for edit in edits))
    assert {answer.status_code for answer in answers} == {200}
    after = (await resumes.get(path, headers=user)).json()
    assert (after["title"], after["summary"], after["phone"], after["address"]) == (
        "Designer", "Dix ans", "+331", "Paris",
    )  # fmt: skip


async def test_resume_of_another_owner_is_not_found(
    resumes: httpx.AsyncClient, user: dict[str, str], user_id: int, identity_keys: IdentityKeys
) -> None:
    created = await create(resumes, user)
    others = (
        identity_keys.user("resumes", user_id + 1_000_000),
        identity_keys.session("resumes", f"user:{user_id}"),
        identity_keys.stranger("resumes"),
    )
    for other in others:
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "export_pdf/")):
            url = f"/api/resumes/{created['id']}/{path}"
            answer = await resumes.request(method, url, headers=other, json={})
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."}), (method, path)


async def test_deleted_resume_is_not_found(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    path = f"/api/resumes/{(await create(resumes, user))['id']}/"
    deleted = await resumes.delete(path, headers=user)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await resumes.get(path, headers=user)).status_code == 404
    assert (await resumes.delete(path, headers=user)).json() == {"detail": "Not found."}


@pytest.mark.parametrize("resume_id", ["0", "-1", "9223372036854775808", "1;drop", "x", "9" * 23, "9" * 5000])
async def test_impossible_ids_are_not_found(resumes: httpx.AsyncClient, user: dict[str, str], resume_id: str) -> None:
    answer = await resumes.get(f"/api/resumes/{resume_id}/", headers=user)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {},
            {
                "template": ["This field is required."],
                "full_name": ["This field is required."],
                "email": ["This field is required."],
            },
        ),
        ({**MINIMUM, "template": 999}, {"template": ['Invalid pk "999" - object does not exist.']}),
        ({**MINIMUM, "template": 4}, {"template": ['Invalid pk "4" - object does not exist.']}),
        ({**MINIMUM, "template": "9" * 5000}, {"template": ["Incorrect type. Expected pk value, received str."]}),
        ({**MINIMUM, "template": "one"}, {"template": ["Incorrect type. Expected pk value, received str."]}),
        ({**MINIMUM, "full_name": " "}, {"full_name": ["This field may not be blank."]}),
        (
            {"template": 999, "full_name": None, "email": "nobody"},
            {
                "template": ['Invalid pk "999" - object does not exist.'],
                "full_name": ["This field may not be null."],
                "email": ["Enter a valid email address."],
            },
        ),
        (
            {**MINIMUM, "experience_data": [TECH_CORP, {**STARTUP, "start_date": "2024-02-30"}, TECH_CORP]},
            {
                "experience_data": [
                    {},
                    {"start_date": ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."]},
                    {},
                ]
            },
        ),
        (
            {**MINIMUM, "skills_data": "React"},
            {"skills_data": {"non_field_errors": ['Expected a list of items but got type "str".']}},
        ),
        (
            {**MINIMUM, "skills_data": [{"name": "React", "level": "guru"}]},
            {"skills_data": [{"level": ['"guru" is not a valid choice.']}]},
        ),
        (
            {**MINIMUM, "education_data": [{**COMPLETE["education_data"][0], "end_date": "2001-01-01"}]},
            {"education_data": [{"end_date": ["The end date may not be before the start date."]}]},
        ),
        ([], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
    ],
)
async def test_invalid_bodies_get_an_error_for_each_field(
    resumes: httpx.AsyncClient, user: dict[str, str], body: Any, errors: Any
) -> None:
    answer = await resumes.post("/api/resumes/", json=body, headers=user)
    assert (answer.status_code, answer.json()) == (400, errors)
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


async def test_further_keys_of_free_entries_keep_any_json_value(
    resumes: httpx.AsyncClient, user: dict[str, str]
) -> None:
    entry = {"language": "Français", "level": None, "since": 2**70, "flags": [True, None, 1.5, {"é": "😀"}]}
    created = await create(resumes, user, languages_data=[entry])
    kept = created["languages_data"][0]
    assert kept == {**entry, "since": float(2**70)}
    assert (await resumes.get(f"/api/resumes/{created['id']}/", headers=user)).json()["languages_data"] == [kept]

    infinite = '{"languages_data": [{"language": "a", "since": 1e999}]}'
    headers = {**user, "Content-Type": "application/json"}
    refused = await resumes.patch(f"/api/resumes/{created['id']}/", content=infinite, headers=headers)
    errors = [{"non_field_errors": ["Value must be valid JSON."]}]
    assert (refused.status_code, refused.json()) == (400, {"languages_data": errors})


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (0, False), (1, 1.0), ([1], [True]), ({"a": 0}, {"a": False})]
)
async def test_values_that_are_equal_only_in_python_are_saved(
    resumes: httpx.AsyncClient, user: dict[str, str], before: Any, after: Any
) -> None:
    created = await resumes.post(
        "/api/resumes/", json={**MINIMUM, "languages_data": [{"language": "Fr", "native": before}]}, headers=user
    )
    path = f"/api/resumes/{created.json()['id']}/"
    changed = await resumes.patch(path, json={"languages_data": [{"language": "Fr", "native": after}]}, headers=user)
    assert changed.headers["ETag"] != created.headers["ETag"]
    (saved,) = (await resumes.get(path, headers=user)).json()["languages_data"]
    assert repr(saved["native"]) == repr(after)


@pytest.mark.parametrize("form", [False, True])
async def test_entry_id_may_be_sent_as_a_text(resumes: httpx.AsyncClient, user: dict[str, str], form: bool) -> None:
    created = await resumes.post(
        "/api/resumes/", json={**MINIMUM, "skills_data": [{"name": "Python"}, {"name": "SQL"}]}, headers=user
    )
    ids = [skill["id"] for skill in created.json()["skills"]]
    sent: dict[str, Any] = (
        {"data": {"skills_data[0]id": str(ids[1]), "skills_data[0]name": "PostgreSQL"}}
        if form
        else {"json": {"skills_data": [{"id": f"{ids[1]}", "name": "PostgreSQL"}]}}
    )
    changed = await resumes.patch(f"/api/resumes/{created.json()['id']}/", **sent, headers=user)
    (skill,) = changed.json()["skills"]
    assert (skill["id"], skill["name"]) == (ids[1], "PostgreSQL")


async def test_a_section_has_at_most_200_entries(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    skills = [{"name": f"Skill {number}"} for number in range(201)]
    answer = await resumes.post("/api/resumes/", json={**MINIMUM, "skills_data": skills}, headers=user)
    assert (answer.status_code, answer.json()) == (400, {"detail": "A section may have at most 200 entries."})
    assert len((await create(resumes, user, skills_data=skills[:200]))["skills"]) == 200


async def test_a_resume_has_at_most_256_kilobytes(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    path = f"/api/resumes/{(await create(resumes, user))['id']}/"
    sections = [{"title": "Long", "content": "é" * 10_000}] * 12
    assert (await resumes.patch(path, json={"custom_sections": sections}, headers=user)).status_code == 200
    jobs = [{**TECH_CORP, "description": "é" * 10_000}] * 2
    answer = await resumes.patch(path, json={"experience_data": jobs}, headers=user)
    assert (answer.status_code, answer.json()) == (400, {"detail": "A CV may have at most 256 KB."})


@pytest.mark.parametrize(("template", "watermark"), [(1, False), (2, True)])
async def test_export_sends_the_whole_document_to_the_renderer(
    resumes: httpx.AsyncClient, user: dict[str, str], fake_services: Any, template: int, watermark: bool
) -> None:
    created = await create(resumes, user, template=template, experience_data=[TECH_CORP])
    answer = await resumes.post(f"/api/resumes/{created['id']}/export_pdf/", json={}, headers=user)
    assert answer.status_code == 200
    assert answer.json()["has_watermark"] is watermark
    asked = fake_services[0].rendered[-1]
    assert answer.json()["pdf_url"] == f"http://localhost:8000/media/resumes/pdfs/token/{asked['file_name']}"
    assert asked["file_name"].startswith("marie_dubois_cv_20")
    assert asked["file_name"].endswith("_watermarked.pdf") is watermark
    assert (asked["watermark"], asked["resume_id"], asked["language"]) == (watermark, created["id"], "fr")
    (entry,) = created["experiences"]
    (printed,) = asked["document"]["experiences"]
    assert printed == {key: entry.get(key) for key in printed}
    assert entry.keys() - printed.keys() == {"id", "order"}


async def test_newly_loaded_template_can_be_used_at_once(
    resumes: httpx.AsyncClient, user: dict[str, str], fake_services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"template": 9, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}
    assert (await resumes.post("/api/resumes/", json=body, headers=user)).status_code == 400
    monkeypatch.setattr(fake_services[0], "known", {9})
    assert (await resumes.post("/api/resumes/", json=body, headers=user)).status_code == 201


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        ((400, {"detail": "The document is longer than 20 pages."}), 400),
        ((404, {"detail": "Not found."}), 404),
        ((503, {"detail": "Too many documents are being rendered, try again later."}), 503),
    ],
)
async def test_export_passes_on_the_error_of_the_renderer(
    resumes: httpx.AsyncClient,
    user: dict[str, str],
    fake_services: Any,
    monkeypatch: pytest.MonkeyPatch,
    refusal: tuple[int, dict[str, Any]],
    status: int,
) -> None:
    """404 is the renderer's answer for a resume that was deleted while its PDF was made."""
    created = await create(resumes, user)
    monkeypatch.setattr(fake_services[0], "refusal", refusal)
    answer = await resumes.post(f"/api/resumes/{created['id']}/export_pdf/", json={}, headers=user)
    assert answer.status_code == status
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0
    else:
        assert answer.json() == refusal[1]


async def test_missing_resume_is_answered_with_404_before_body_errors(
    resumes: httpx.AsyncClient, user: dict[str, str], user_id: int, identity_keys: IdentityKeys
) -> None:
    """As DRF, which looks the resume up and then reads the request."""
    own = (await create(resumes, user))["id"]
    others = [identity_keys.user("resumes", user_id + 1_000_000), identity_keys.stranger("resumes")]
    unseen = [(user, 999_999_999), *((other, own) for other in others)]
    patch, export, json = ("PATCH", ""), ("POST", "export_pdf/"), "application/json"
    cases = [
        (patch, json, '{"email": "nobody"}', 400),
        (patch, json, '{"template": 999}', 400),
        (patch, json, '{"photo": "https://example.com/photo.jpg"}', 400),
        (patch, json, '{"skills_data": [' + ",".join(["{}"] * 201) + "]}", 400),
        (patch, json, "{", 400),
        (patch, json, "[]", 400),
        (patch, "text/plain", "x", 415),
        (export, json, "[]", 400),
        (export, json, "{", 400),
        (export, "text/plain", "x", 415),
    ]
    for (method, path), content_type, content, status in cases:
        for headers, resume_id in [(user, own), *unseen]:
            answer = await resumes.request(
                method,
                f"/api/resumes/{resume_id}/{path}",
                headers={**headers, "Content-Type": content_type},
                content=content,
            )
            if (headers, resume_id) == (user, own):
                assert answer.status_code == status, content
            else:
                assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."}), content


async def test_requests_without_identity_are_refused(resumes: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    assert (await resumes.get("/api/resumes/")).status_code == 401
    as_user, as_service = identity_keys.user("resumes", 1), identity_keys.service("resumes", "payments")
    assert (await resumes.get("/internal/resumes/1/", headers=as_user)).status_code == 404
    assert (await resumes.get("/api/resumes/", headers=as_service)).status_code == 404


async def test_payments_can_check_that_a_resume_exists(
    resumes: httpx.AsyncClient, user: dict[str, str], identity_keys: IdentityKeys
) -> None:
    created = await create(resumes, user)
    as_payments = identity_keys.service("resumes", "payments")
    answer = await resumes.get(f"/internal/resumes/{created['id']}/", headers=as_payments)
    assert answer.json() == {"id": created["id"]}
    assert (await resumes.get("/internal/resumes/999999/", headers=as_payments)).status_code == 404


async def test_claim_transfers_resumes_and_ends_the_session(
    resumes: httpx.AsyncClient, stranger: dict[str, str], user_id: int, identity_keys: IdentityKeys
) -> None:
    first = await resumes.post("/api/resumes/", json=MINIMUM, headers=stranger)
    session_id = first.headers["X-Session-Start"]
    session, as_auth = identity_keys.session("resumes", session_id), identity_keys.service("resumes", "auth")
    for claimer in (user_id, user_id, user_id + 1_000_000):  # told twice; and the first claim stands
        path = f"/internal/sessions/{session_id}/claim/"
        assert (await resumes.post(path, json={"user_id": claimer}, headers=as_auth)).status_code == 204
    listed = (await resumes.get("/api/resumes/", headers=identity_keys.user("resumes", user_id))).json()
    assert [(resume["id"], resume["user"], resume["session_id"]) for resume in listed] == [
        (first.json()["id"], user_id, None)
    ]
    assert (await resumes.get("/api/resumes/", headers=session)).json() == []
    later = await resumes.post("/api/resumes/", json=MINIMUM, headers=session)
    assert later.headers["X-Session-Start"] != session_id
