"""A LinkedIn profile becomes a CV, by its address or as a data export, through the gateway of a running system."""

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

        async def sees_templates() -> bool:
            return bool(await visitor.get("/api/templates/free/"))

        await eventually(sees_templates)  # a catalog just loaded shows within a second
        yield visitor


async def test_a_profile_is_imported_without_an_account_and_exported(visitor: Visitor) -> None:
    body = {"linkedin_url": "https://www.linkedin.com/in/johndoe"}
    resume = expect(await visitor.request("POST", PATH, json=body), 201)
    assert (resume["full_name"], resume["email"], resume["user"]) == ("John Doe", "john.doe@linkedin.com", None)
    assert [listed["id"] for listed in await visitor.get("/api/resumes/")] == [resume["id"]]
    has_watermark, pdf = await visitor.export(resume["id"])
    assert not has_watermark
    assert "Stanford University" in pdf.pages[0].extract_text()


async def test_an_email_that_the_profile_lacks_is_the_accounts(visitor: Visitor) -> None:
    body = {"linkedin_url": "https://www.linkedin.com/in/no-mail"}
    assert expect(await visitor.request("POST", PATH, json=body), 201)["email"] == ""
    user = await visitor.register()
    await visitor.login(user["email"])
    resume = expect(await visitor.request("POST", PATH, json=body), 201)
    assert (resume["user"], resume["email"]) == (user["id"], user["email"])


async def test_a_data_export_is_uploaded(visitor: Visitor) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("Export/Profile.csv", "First Name,Last Name,Headline\nÉloïse,Lefèvre,Œnologue\n")
        archive.writestr("Export/Connections.csv", "First Name,Last Name\nSomebody,Else\n")
        archive.writestr("Export/photos.bin", bytes(range(256)) * 8000)
    files = {"file": ("Basic_LinkedInDataExport_03-15-2024.zip", content.getvalue(), "application/zip")}
    resume = expect(await visitor.request("POST", PATH, files=files), 201)
    assert (resume["full_name"], resume["title"], resume["linkedin_url"]) == ("Éloïse Lefèvre", "Œnologue", None)
    assert {note["file"] for note in resume["import_report"]} == {"Connections.csv", "photos.bin", "resume"}


async def test_what_is_no_profile_is_told_as_documented(visitor: Visitor) -> None:
    body = {"linkedin_url": "https://www.linkedin.com.evil.example/in/johndoe"}
    answer = await visitor.request("POST", PATH, json=body)
    assert expect(answer, 400) == {"linkedin_url": ["Invalid LinkedIn URL format."]}
