"""Free sections: any object is an entry, and it is returned as it was sent."""

import json
from typing import Any

import httpx
import pytest

PATH = "/api/resumes/"
MINIMUM = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}
LISTS = {
    "languages_data": {"language": 100, "level": 100},
    "certifications_data": {"name": 200, "issuer": 200, "date": 50},
    "projects_data": {"name": 200, "description": 10_000, "url": 500},
    "custom_sections": {"title": 200, "content": 10_000},
}
"""The documented keys of each list, and how long their texts may be."""
KEYS = [(name, key) for name, keys in LISTS.items() for key in keys]


async def create(resumes: httpx.AsyncClient, user: dict[str, str], **changes: Any) -> httpx.Response:
    answer = await resumes.post(PATH, json={**MINIMUM, **changes}, headers=user)
    assert answer.status_code == 201, answer.text
    return answer


def free_lists(answer: httpx.Response) -> str:
    """The free lists of an answer as JSON text, in which the order of keys shows."""
    body = answer.json()
    return json.dumps({name: body[name] for name in LISTS})


async def test_free_entries_are_returned_as_they_were_sent(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    sent: dict[str, list[dict[str, Any]]] = {
        "languages_data": [{"level": "Natif", "language": "Français"}, {}, {"language": None}, {"level": " "}],
        "certifications_data": [
            {"name": "PMP", "date": "2019", "issuer": "PMI"},
            {"date": "Nov 2019"},
            {"zz": 1, "issuer": "", "a": {"z": [{"y": 1, "b": 2}], "c": None}},
        ],
        "projects_data": [
            {"url": "github.com/me/x", "name": " Site "},
            {"url": "javascript:alert(1)"},
            {"url": "in progress\n", "description": None},
        ],
        "custom_sections": [{"content": "- a\n  - b\n"}, {"title": "Permis B"}],
    }
    created = await create(resumes, user, **sent)
    path = f"{PATH}{created.json()['id']}/"
    read = await resumes.get(path, headers=user)
    listed = await resumes.get(PATH, headers=user)
    assert free_lists(created) == free_lists(read) == json.dumps(sent)
    assert json.dumps({name: listed.json()[0][name] for name in LISTS}) == json.dumps(sent)

    again = await resumes.patch(path, json=sent, headers=user)
    assert free_lists(again) == json.dumps(sent)
    assert again.headers["ETag"] == created.headers["ETag"]


async def test_changed_key_order_is_saved(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    created = await create(resumes, user, languages_data=[{"language": "Français", "level": "Natif"}])
    path, turned = f"{PATH}{created.json()['id']}/", [{"level": "Natif", "language": "Français"}]
    changed = await resumes.patch(path, json={"languages_data": turned}, headers=user)
    assert changed.headers["ETag"] != created.headers["ETag"]
    assert json.dumps((await resumes.get(path, headers=user)).json()["languages_data"]) == json.dumps(turned)


@pytest.mark.parametrize(("name", "key"), KEYS)
async def test_documented_keys_are_texts_or_null(
    resumes: httpx.AsyncClient, user: dict[str, str], name: str, key: str
) -> None:
    limit = LISTS[name][key]
    created = await create(resumes, user, **{name: [{key: 2019}, {key: 1.5}, {key: "é" * limit}, {key: "e\u0301"}]})
    assert created.json()[name] == [{key: "2019"}, {key: "1.5"}, {key: "é" * limit}, {key: "é"}]
    path = f"{PATH}{created.json()['id']}/"
    no_string = ["Not a valid string."]
    for wrong, messages in (
        (True, no_string),
        ([], no_string),
        ({"x": 1}, no_string),
        ("x" * (limit + 1), [f"Ensure this field has no more than {limit} characters."]),
        ("a\x00b", ["Null characters are not allowed."]),
    ):
        refused = await resumes.patch(path, json={name: [{}, {key: wrong}]}, headers=user)
        assert (refused.status_code, refused.json()) == (400, {name: [{}, {key: messages}]})


@pytest.mark.parametrize("name", LISTS)
async def test_entries_must_be_objects(resumes: httpx.AsyncClient, user: dict[str, str], name: str) -> None:
    refused = await resumes.post(PATH, json={**MINIMUM, name: [{}, None, "x", []]}, headers=user)
    no_dictionary = "Invalid data. Expected a dictionary, but got {}."
    assert (refused.status_code, refused.json()) == (
        400,
        {
            name: [
                {},
                ["This field may not be null."],
                {"non_field_errors": [no_dictionary.format("str")]},
                {"non_field_errors": [no_dictionary.format("list")]},
            ]
        },
    )


async def test_form_sends_the_same_free_entries(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    form = {"projects_data[0]url": "github.com/me/x", "projects_data[0]name": "", "custom_sections": '[{"b": 1}]'}
    answer = await resumes.post(PATH, data={**MINIMUM, **form}, headers=user)
    assert json.dumps(answer.json()["projects_data"]) == '[{"url": "github.com/me/x", "name": ""}]'
    assert answer.json()["custom_sections"] == [{"b": 1}]


async def test_texts_of_free_entries_are_sent_to_the_renderer(
    resumes: httpx.AsyncClient, user: dict[str, str], fake_services: Any
) -> None:
    printed = {
        "projects_data": [{"keywords": "SQL, 3"}, {"name": "Site", "roles": None}],
        "certifications_data": [{"date": "2019", "license_number": "12"}],
    }
    sent: dict[str, Any] = {
        "projects_data": [{"keywords": ["SQL", None, 3]}, {"name": "Site", "roles": {"a": 1}}],
        "certifications_data": [{"date": "2019", "license_number": 12}],
    }
    created = await create(resumes, user, **sent)
    exported = await resumes.post(f"{PATH}{created.json()['id']}/export_pdf/", json={}, headers=user)
    assert exported.status_code == 200
    document = fake_services[0].rendered[-1]["document"]
    assert {name: document[name] for name in sent} == printed
