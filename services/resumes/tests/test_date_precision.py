"""How much of a date is known: `start_date_precision` and `end_date_precision`, which are extensions."""

from typing import Any

import httpx
import pytest

PATH = "/api/resumes/"
MINIMUM = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}
JOB = {"company": "Acme", "position": "Baker"}
REQUIRED = "This field is required."
NULL = "This field may not be null."
NEEDS_DATE = "A precision needs a date."
NOT_UNKNOWN = "A date that is sent is not unknown."
TOO_EARLY = "The end date may not be before the start date."


async def test_precisions_are_kept_and_absent_until_used(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    jobs: list[dict[str, Any]] = [
        JOB | {"start_date": "2020-01-01", "start_date_precision": "year", "end_date": "2020-01-01"},
        JOB | {"start_date": None, "start_date_precision": "unknown"},
        JOB | {"start_date_precision": "unknown", "end_date": "2021-05-03", "end_date_precision": "day"},
        JOB | {"start_date": "2021-05-01", "start_date_precision": "month", "end_date_precision": None},
    ]
    created = await resumes.post(PATH, json={**MINIMUM, "experience_data": jobs}, headers=user)
    assert created.status_code == 201, created.text
    path = f"{PATH}{created.json()['id']}/"
    shown = [
        {key: value for key, value in job.items() if "date" in key}
        for job in (await resumes.get(path, headers=user)).json()["experiences"]
    ]
    assert shown == [
        {"start_date": "2020-01-01", "start_date_precision": "year", "end_date": "2020-01-01"},
        {"start_date": None, "start_date_precision": "unknown", "end_date": None},
        {
            "start_date": None,
            "start_date_precision": "unknown",
            "end_date": "2021-05-03",
            "end_date_precision": "day",
        },
        {"start_date": "2021-05-01", "end_date": None},
    ]
    again = await resumes.patch(path, json={"experience_data": created.json()["experiences"]}, headers=user)
    assert again.json()["experiences"] == created.json()["experiences"]
    assert again.headers["ETag"] == created.headers["ETag"]


@pytest.mark.parametrize(
    ("dates", "errors"),
    [
        ({}, {"start_date": [REQUIRED]}),
        ({"start_date": None}, {"start_date": [NULL]}),
        ({"start_date": None, "start_date_precision": "year"}, {"start_date": [NULL]}),
        ({"start_date": "2020-01-01", "start_date_precision": "unknown"}, {"start_date_precision": [NOT_UNKNOWN]}),
        ({"start_date": "2020-01-01", "end_date_precision": "day"}, {"end_date_precision": [NEEDS_DATE]}),
        (
            {"start_date": "2020-01-01", "start_date_precision": "decade"},
            {"start_date_precision": ['"decade" is not a valid choice.']},
        ),
        ({"start_date": [], "start_date_precision": {}}, None),
        ({"start_date": "2020-02-01", "end_date": "2020-01-01"}, {"end_date": [TOO_EARLY]}),
        (
            {"start_date": "2020-02-01", "start_date_precision": "year", "end_date": "2019-12-01"},
            {"end_date": [TOO_EARLY]},
        ),
        (
            {"start_date": "2020-02-02", "start_date_precision": "year", "end_date": "2020-01-01"},
            {},
        ),
    ],
)
async def test_dates_must_suit_their_precisions(
    resumes: httpx.AsyncClient, user: dict[str, str], dates: dict[str, Any], errors: dict[str, list[str]] | None
) -> None:
    answer = await resumes.post(PATH, json={**MINIMUM, "experience_data": [JOB | dates]}, headers=user)
    if errors == {}:
        assert answer.status_code == 201, answer.text
    else:
        assert answer.status_code == 400
        assert errors is None or answer.json() == {"experience_data": [errors]}
