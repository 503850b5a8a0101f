"""Concurrent requests."""

import asyncio
from typing import Any

import httpx
from cv_stack.system import System
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.document import example
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"


async def test_concurrent_changes_of_different_fields_are_both_saved(visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    path = f"{LIST}{resume['id']}/"
    for number in range(10):
        changes: tuple[dict[str, Any], ...] = (
            {"title": f"Title {number}"},
            {"summary": f"Summary {number}"},
            {"skills_data": [{"name": f"Skill {number}"}]},
            {"languages_data": [{"language": f"Language {number}"}]},
        )
        answers = await asyncio.gather(*(visitor.request("PATCH", path, json=change) for change in changes))
        assert [answer.status_code for answer in answers] == [200] * len(changes)
        saved = await visitor.get(path)
        assert (saved["title"], saved["summary"]) == (f"Title {number}", f"Summary {number}")
        assert [skill["name"] for skill in saved["skills"]] == [f"Skill {number}"]
        assert [entry["language"] for entry in saved["languages_data"]] == [f"Language {number}"]


async def test_concurrent_registrations_of_one_name_create_one_account(visitor: Visitor, stranger: Visitor) -> None:
    body = example("1.1 request") | {"username": "twice"}
    bodies = [body | {"email": "twice.1@example.com"}, body | {"email": "twice.2@example.com", "username": "TWICE"}]
    answers = await asyncio.gather(
        visitor.request("POST", "/api/auth/register/", json=bodies[0]),
        stranger.request("POST", "/api/auth/register/", json=bodies[1]),
    )
    assert sorted(answer.status_code for answer in answers) == [201, 400]
    refused = next(answer.json() for answer in answers if answer.status_code == 400)
    assert refused == {"username": ["This username is already taken."]}


async def test_concurrent_exports_render_once(visitor: Visitor, system: System) -> None:
    resume = await visitor.write_resume(template=1, full_name="Camille Durand")
    path = f"{LIST}{resume['id']}/export_pdf/"
    before = await renders(system)
    answers = await asyncio.gather(*(visitor.request("POST", path, json={}) for _ in range(2)))
    urls = [expect(answer, 200)["pdf_url"] for answer in answers]
    one, other = [(await visitor.request("GET", url)).content for url in urls]
    assert one == other
    assert one.startswith(b"%PDF-")
    assert expect(await visitor.request("POST", path, json={}), 200)["pdf_url"] in urls
    assert await renders(system) == before + 1


async def renders(system: System) -> float:
    """Return the number of rendered documents, from the renderer's metrics."""
    async with httpx.AsyncClient() as client:
        figures = (await client.get(f"{system.ports.url('renderer')}/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(figures)
        for sample in family.samples
        if sample.name == "renders_total"
    )
