"""The language of a CV: named by the user, or guessed from the text, and sent to the renderer."""

from typing import Any

import httpx
import pytest
from cv_resumes.domain.languages import guess_language

from .conftest import FakeServices

PATH = "/api/resumes/"
MINIMUM = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}


@pytest.mark.parametrize(
    ("text", "accept_language", "language"),
    [
        ("Développeur web. Conception de sites et conduite de projets.", "en-US", "fr"),
        ("Software engineer. I build APIs and lead a team of five.", "fr-FR,fr;q=0.9", "en"),
        ("Software engineer\nReact, Docker, Kubernetes", "fi", "en"),
        ("Softwareentwickler, Leitung eines Teams", "en", "de"),
        ("Desenvolvimento de aplicações para o setor público", "pt-PT", "pt-PT"),
        ("Desenvolvimento de aplicações para o setor público", "en", "pt"),
        ("软件工程师负责设计与开发", "en", "zh-Hans"),
        ("軟體工程師負責設計與開發", "en", "zh-Hant"),
        ("ソフトウェアエンジニア", "en", "ja"),
        ("مهندس برمجيات في شركة", "en", "ar"),
        ("מהנדס תוכנה", "en", "he"),
        ("軟體工程師負責設計與開發", "zh-CN", "zh-Hant"),
        ("Инженер", "en", "bg"),
        ("Инженер", "en, uk", "uk"),
        ("Barista", "en-GB", "en-GB"),
        ("Barista", "", "fr"),
        ("CTO", "ko, en", "en"),
        ("Softwareentwickler", "de", "de"),
        ("", "xx, de-AT;q=0.5", "de-AT"),
        ("123 – 456", "*", "fr"),
    ],
)
def test_language_is_guessed_from_the_text(text: str, accept_language: str, language: str) -> None:
    assert guess_language(text, accept_language, "fr") == language


async def test_names_addresses_and_titles_of_imports_tell_no_language(
    resumes: httpx.AsyncClient, user: dict[str, str], fake_services: tuple[FakeServices, str]
) -> None:
    fields = {
        "full_name": "Pekka Virtanen",
        "summary": "https://example.com/developpement-et-conception-de-logiciels equipe.du.developpement@example.com",
        "skills_data": [{"name": "Kehittäminen ja ohjelmointi"}],
        "custom_sections": [{"kind": "volunteering", "title": "Bénévolat et engagement associatif"}],
    }
    created = await resumes.post(PATH, json=MINIMUM | fields, headers=user)
    path = f"{PATH}{created.json()['id']}/export_pdf/"
    await resumes.post(path, headers={**user, "Accept-Language": "nl"})
    assert fake_services[0].rendered[-1]["language"] == "nl"


async def test_exported_language_is_that_of_the_cv(
    resumes: httpx.AsyncClient, user: dict[str, str], fake_services: tuple[FakeServices, str]
) -> None:
    async def exported() -> str:
        answer = await resumes.post(f"{path}export_pdf/", headers={**user, "Accept-Language": "en-US,en"})
        assert answer.status_code == 200, answer.text
        return str(fake_services[0].rendered[-1]["language"])

    german = {"title": "Pflegefachfrau", "summary": "Seit zehn Jahren arbeite ich in der Pflege älterer Menschen."}
    created = await resumes.post(PATH, json=MINIMUM, headers=user)
    assert "language" not in created.json()
    path = f"{PATH}{created.json()['id']}/"
    assert await exported() == "en-US"
    await resumes.patch(path, json=german, headers=user)
    assert await exported() == "de"
    named = await resumes.patch(path, json={"language": "PT-br"}, headers=user)
    assert named.json()["language"] == "pt-BR"
    assert (await resumes.get(PATH, headers=user)).json()[0]["language"] == "pt-BR"
    assert await exported() == "pt-BR"
    removed = await resumes.patch(path, json={"language": None}, headers=user)
    assert "language" not in removed.json()


async def test_the_renderer_titles_the_sections_of_imports(
    resumes: httpx.AsyncClient, user: dict[str, str], fake_services: tuple[FakeServices, str]
) -> None:
    sections = [
        {"kind": "volunteering", "title": "Bénévolat", "content": "a"},
        {"kind": "volunteering", "title": "Volunteering", "content": "b"},
        {"kind": "volunteering", "title": "Mes engagements", "content": "c"},
        {"kind": "honors", "title": "Bénévolat", "content": "d"},
        {"kind": "unknown", "title": "Bénévolat", "content": "e"},
        {"kind": ["volunteering", {}], "title": None, "content": "f"},
        {"title": "Bénévolat", "content": "g"},
    ]
    created = await resumes.post(PATH, json=MINIMUM | {"custom_sections": sections}, headers=user)
    assert created.json()["custom_sections"] == sections
    await resumes.post(f"{PATH}{created.json()['id']}/export_pdf/", headers=user)
    printed = fake_services[0].rendered[-1]["document"]["custom_sections"]
    titles = [section.get("title", "absent") for section in printed]
    assert titles == ["absent", "absent", "Mes engagements", "Bénévolat", "Bénévolat", None, "Bénévolat"]


INVALID_TAG = 'Enter a valid language tag, such as "fr" or "pt-BR".'
INVALID_FOCUS = "Expected the percentages x and y, integers from 0 to 100."


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("language", "xx", INVALID_TAG),
        ("language", "fr_FR", INVALID_TAG),
        ("language", "en-XQ", INVALID_TAG),
        ("language", "français", INVALID_TAG),
        ("language", "root", INVALID_TAG),
        ("language", "../en", INVALID_TAG),
        ("language", ["fr"], "Not a valid string."),
        ("language", {}, "Not a valid string."),
        ("language", True, "Not a valid string."),
        ("language", "e" * 40, "Ensure this field has no more than 35 characters."),
        ("photo_focus", {"x": 50}, INVALID_FOCUS),
        ("photo_focus", {"x": 50, "y": 101}, INVALID_FOCUS),
        ("photo_focus", {"x": True, "y": 1}, INVALID_FOCUS),
        ("photo_focus", [50, 20], INVALID_FOCUS),
        ("photo_focus", '{"x": 1, "y": 2}', INVALID_FOCUS),
        ("photo_focus", {"x": 1.5, "y": -1}, INVALID_FOCUS),
    ],
)
async def test_an_invalid_value_is_a_field_error(
    resumes: httpx.AsyncClient, user: dict[str, str], field: str, value: Any, message: str
) -> None:
    answer = await resumes.post(PATH, json={**MINIMUM, field: value}, headers=user)
    assert answer.status_code == 400
    assert message in answer.json()[field]


async def test_the_focus_of_a_photo_is_kept(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    created = await resumes.post(PATH, json={**MINIMUM, "photo_focus": {"x": 40, "y": 10}}, headers=user)
    assert created.json()["photo_focus"] == {"x": 40, "y": 10}
    path = f"{PATH}{created.json()['id']}/"
    sent = await resumes.patch(path, files={"photo_focus": (None, '{"x": 1, "y": 2}')}, headers=user)
    assert sent.json()["photo_focus"] == {"x": 1, "y": 2}
    removed = await resumes.patch(path, json={"photo_focus": None}, headers=user)
    assert "photo_focus" not in removed.json()
