"""The document's annexes A, F and G: levels, dates, status codes. Annex C, payment types, is in `test_watermark.py`."""

from typing import Any

import pytest

from tests.contract.conftest import Compare
from tests.contract.document import example
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"
PERIOD = {"company": "Tech Corp", "position": "Developer"}


@pytest.mark.parametrize("level", ["beginner", "intermediate", "advanced", "expert", None])
async def test_a_levels_are_accepted(visitor: Visitor, level: str | None) -> None:
    resume = await visitor.write_resume(skills_data=[{"name": "Python", "level": level}])
    (skill,) = resume["skills"]
    assert skill == {"id": skill["id"], "name": "Python", "level": level, "category": None, "order": 0}


@pytest.mark.parametrize("level", ["Expert", "guru", "", 1, ["expert"]])
async def test_a_other_levels_are_refused(visitor: Visitor, level: Any) -> None:
    body = {**example("3.2 request, minimum"), "skills_data": [{"name": "Python"}, {"name": "Python", "level": level}]}
    answer = await visitor.request("POST", LIST, json=body)
    assert expect(answer, 400) == {"skills_data": [{}, {"level": [f'"{level}" is not a valid choice.']}]}


@pytest.mark.parametrize("day", ["2020-01-15", "2018-06-30", "2024-02-29", "1900-12-31"])
async def test_f_dates_are_accepted(visitor: Visitor, day: str) -> None:
    resume = await visitor.write_resume(experience_data=[{**PERIOD, "start_date": day, "end_date": day}])
    (job,) = resume["experiences"]
    assert (job["start_date"], job["end_date"]) == (day, day)


@pytest.mark.parametrize("day", ["2023-02-29", "15/01/2020", "2025-10-29T10:30:00Z", "2020-13-01", "", 2020])
async def test_f_other_dates_are_refused(visitor: Visitor, day: Any) -> None:
    body = {**example("3.2 request, minimum"), "experience_data": [{**PERIOD, "start_date": day}]}
    answer = await visitor.request("POST", LIST, json=body)
    refusal = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
    assert expect(answer, 400) == {"experience_data": [{"start_date": [refusal]}]}


async def test_g_status_codes(visitor: Visitor, john: Visitor, compare: Compare) -> None:
    created = await visitor.request("POST", LIST, json=example("3.2 request, minimum"))
    path = f"{LIST}{expect(created, 201)['id']}/"
    expect(await visitor.request("GET", path), 200)
    expect(await visitor.request("PATCH", path, json={"title": "Lead Developer"}), 200)
    expect(await visitor.request("PATCH", path, json={"email": "none"}), 400)
    expect(await visitor.request("GET", "/api/auth/profile/"), 401)
    refused = await visitor.request("PATCH", path, json={}, headers={"Origin": "https://evil.example"})
    assert expect(refused, 403) == {
        "detail": "CSRF Failed: Origin checking failed - https://evil.example does not match any trusted origins."
    }
    expect(await john.request("PATCH", f"{LIST}999999999/", json={}, headers={"Origin": "https://evil.example"}), 404)
    assert (await visitor.request("DELETE", path)).status_code == 204
    expect(await visitor.request("GET", path), 404)
