"""Exports as people upload them: with notes, other delimiters, older formats, gaps and entities."""

from typing import Any

import httpx
import pytest

from .export import PROFILE_HEADER, imported, told

PROFILE = f"{PROFILE_HEADER}\nNora,Berg,,,,Consultante,,,,,,,\n"
POSITIONS = "Company Name,Title,Description,Location,Started On,Finished On\n"


@pytest.mark.parametrize(
    "positions",
    [
        f'Notes:\n"This file has your positions."\n\n{POSITIONS}Acme SA,Engineer,Things,Paris,Jan 2021,\n',
        f"{POSITIONS}Acme SA,Engineer,Things,Paris,Jan 2021,\n".replace(",", ";"),
        f"{POSITIONS}Acme SA,Engineer,Things,Paris,Jan 2021,\n".replace(",", "\t"),
    ],
    ids=["notes", "semicolons", "tabs"],
)
async def test_positions_are_found(resumes: httpx.AsyncClient, user: dict[str, str], positions: str) -> None:
    body = await imported(resumes, user, {"Profile.csv": PROFILE, "Positions.csv": positions})
    assert [(job["company"], job["start_date"]) for job in body["experiences"]] == [("Acme SA", "2021-01-01")]


async def test_years_stay_years_and_schools_without_dates_are_kept(
    resumes: httpx.AsyncClient, user: dict[str, str]
) -> None:
    education = (
        "School Name,Start Date,End Date,Notes,Degree Name,Activities\n"
        "University,2016,2018,Dean&#39;s List &amp; more,Master,\n"
        "College,,,,,\nLyceum,,2011,,Diploma,\n"
    )
    body = await imported(resumes, user, {"Profile.csv": PROFILE, "Education.csv": education})
    first, *others = body["education"]
    assert (first["start_date"], first["start_date_precision"]) == ("2016-01-01", "year")
    assert (first["end_date"], first["end_date_precision"]) == ("2018-01-01", "year")
    assert first["description"] == "Dean's List & more"
    assert [(school["institution"], school["degree"], school["end_date"]) for school in others] == [
        ("College", "", None),
        ("Lyceum", "Diploma", "2011-01-01"),
    ]
    assert (3, '"College" has no degree.') in told(body, "Education.csv")


async def test_further_files_become_sections_of_their_kind(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files = {
        "Profile.csv": PROFILE,
        "Courses.csv": "Name,Number\nXYZ,101\n",
        "Organizations.csv": "Name,Position,Description,Started On,Finished On\nOrg,Member,,2019,\n",
        "Patents.csv": "Title,Number,Description,Issued On\nA patent,7,Text,Jan 2020\n",
        "Test Scores.csv": "Name,Score,Description,Date\nTOEIC,950,,Jan 2020\n",
    }
    body = await imported(resumes, user, files)
    sections: list[dict[str, Any]] = body["custom_sections"]
    assert {section["kind"]: section["content"] for section in sections} == {
        "courses": "XYZ, 101",
        "organizations": "Member, Org, 2019",
        "patents": "A patent, 7, Jan 2020\nText",
        "test_scores": "TOEIC, 950, Jan 2020",
    }
    assert all(section["title"] for section in sections)


async def test_the_profile_of_an_older_export_is_read(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    columns = "First Name,Last Name,Address,Headline,Zip Code,Websites"
    row = 'Nora,Berg,56068 Town,Dev,56068,"PORTFOLIO:https://nora.example.com,BLOG:https://github.com/nora"'
    phones = "Extension,Number,Type\n,111,Work\n,222,Home\n"
    body = await imported(resumes, user, {"Profile.csv": f"{columns}\n{row}\n", "Phone Numbers.csv": phones})
    assert (body["address"], body["phone"]) == ("56068 Town", "222")
    assert told(body, "Phone Numbers.csv") == [(2, '"111" is left out: a CV has one.')]
    assert (body["website"], body["github_url"]) == ("https://nora.example.com", "https://github.com/nora")
