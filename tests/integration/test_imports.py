"""LinkedIn profiles are imported as resumes, by URL or from a data export, through all services."""

import io
import zipfile
from collections.abc import AsyncIterator

import pytest

from tests.integration.deployments import Deployment
from tests.integration.visitor import Visitor, eventually, expect

PATH = "/api/resumes/import_linkedin/"


@pytest.fixture
async def visitor(deployment: Deployment) -> AsyncIterator[Visitor]:
    async with Visitor(deployment.public_url) as visitor:

        async def has_templates() -> bool:
            return bool(await visitor.get("/api/templates/free/"))

        await eventually(has_templates)  # a new catalog appears within a second
        yield visitor


async def test_anonymous_visitor_imports_and_exports_a_profile(visitor: Visitor) -> None:
    body = {"linkedin_url": "https://www.linkedin.com/in/johndoe"}
    resume = expect(await visitor.request("POST", PATH, json=body), 201)
    assert (resume["full_name"], resume["email"], resume["user"]) == ("John Doe", "john.doe@linkedin.com", None)
    assert [listed["id"] for listed in await visitor.get("/api/resumes/")] == [resume["id"]]
    has_watermark, pdf = await visitor.export(resume["id"])
    assert not has_watermark
    assert "Stanford University" in pdf.pages[0].extract_text()


async def test_missing_email_is_taken_from_the_account(visitor: Visitor) -> None:
    body = {"linkedin_url": "https://www.linkedin.com/in/no-mail"}
    assert expect(await visitor.request("POST", PATH, json=body), 201)["email"] == ""
    user = await visitor.register()
    await visitor.login(user["email"])
    resume = expect(await visitor.request("POST", PATH, json=body), 201)
    assert (resume["user"], resume["email"]) == (user["id"], user["email"])


async def test_data_export_is_imported(visitor: Visitor) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("Export/Profile.csv", "First Name,Last Name,Headline\nÉloïse,Lefèvre,Œnologue\n")
        archive.writestr("Export/Connections.csv", "First Name,Last Name\nSomebody,Else\n")
        archive.writestr("Export/photos.bin", bytes(range(256)) * 8000)
    files = {"file": ("Basic_LinkedInDataExport_03-15-2024.zip", content.getvalue(), "application/zip")}
    resume = expect(await visitor.request("POST", PATH, files=files), 201)
    assert (resume["full_name"], resume["title"], resume["linkedin_url"]) == ("Éloïse Lefèvre", "Œnologue", None)
    assert {note["file"] for note in resume["import_report"]} == {"Connections.csv", "photos.bin", "resume"}


async def test_invalid_url_is_refused_as_documented(visitor: Visitor) -> None:
    body = {"linkedin_url": "https://www.linkedin.com.evil.example/in/johndoe"}
    answer = await visitor.request("POST", PATH, json=body)
    assert expect(answer, 400) == {"linkedin_url": ["Invalid LinkedIn URL format."]}
