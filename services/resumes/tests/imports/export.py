"""A data export for tests, and helpers to import it."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import httpx

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
