"""URLs of internal servers in every field: the system never requests them."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.contract.conftest import TEMPLATES
from tests.contract.document import example
from tests.integration.visitor import Visitor, expect

LIST = "/api/resumes/"
IMPORT = f"{LIST}import_linkedin/"
UNREACHABLE = (
    "file:///etc/passwd", "file://localhost/etc/passwd", "gopher://127.0.0.1:6379/", "ftp://127.0.0.1/",
    "data:text/html,x", "javascript:alert(1)", "//169.254.169.254/latest/", "jar:http://127.0.0.1!/", "/etc/passwd",
)  # fmt: skip


@dataclass
class Trap:
    """A local server that counts its requests."""

    port: int
    calls: list[bytes] = field(default_factory=list)

    @property
    def urls(self) -> tuple[str, ...]:
        """Spellings of its URL, and the URL of a cloud's metadata."""
        return (
            f"http://127.0.0.1:{self.port}/trap", f"http://localhost:{self.port}/trap.css",
            f"http://[::ffff:127.0.0.1]:{self.port}/trap.png", "http://169.254.169.254/latest/meta-data/",
        )  # fmt: skip


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.calls.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(called, "127.0.0.1", 0)
    found = Trap(server.sockets[0].getsockname()[1])
    async with server:
        yield found


async def test_trap_counts_requests(trap: Trap) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", trap.port)
    writer.write(b"GET /trap HTTP/1.1\r\n")
    assert await reader.read() == b""
    writer.close()
    assert trap.calls == [b"GET /trap HTTP/1.1\r\n"]


def code(url: str) -> str:
    """Return a text that would fetch `url` as HTML, CSS or a template."""
    return (
        f'<img src="{url}"><link rel=stylesheet href="{url}"><style>@import "{url}";p{{background:url({url})}}</style>'
        f'<object data="{url}"></object>{{% include "{url}" %}}![]({url}) {url}'
    )


@pytest.mark.parametrize("template", TEMPLATES)
async def test_pdf_fetches_nothing(visitor: Visitor, trap: Trap, template: int) -> None:
    texts = "\n".join(code(url) for url in (*trap.urls, "file:///etc/passwd"))
    local, metadata = trap.urls[0], trap.urls[3]
    resume = await visitor.write_resume(
        template=template, summary=texts, website=local, linkedin_url=metadata, github_url=local,
        experience_data=[{"company": "x", "position": "x", "start_date": "2020-01-01", "description": texts}],
        certifications_data=[{"name": "x", "url": local, "image": local}],
        projects_data=[{"name": "x", "url": local, "description": texts}],
        custom_sections=[{"title": "x", "content": texts, "src": metadata, "style": f"background:url({local})"}],
    )  # fmt: skip
    _, pdf = await visitor.export(resume["id"])
    assert "root:" not in "".join(page.extract_text() for page in pdf.pages)
    assert trap.calls == []


@pytest.mark.parametrize("url", UNREACHABLE)
async def test_link_other_than_http_is_refused(visitor: Visitor, url: str) -> None:
    links = dict.fromkeys(("website", "linkedin_url", "github_url"), url)
    refused = ["Enter a valid URL."]
    body = {**example("3.2 request, minimum"), **links, "projects_data": [{"name": "x", "url": url}]}
    answer = await visitor.request("POST", LIST, json=body)
    assert expect(answer, 400) == dict.fromkeys(links, refused)


@pytest.mark.parametrize("template", TEMPLATES)
async def test_project_url_is_linked_only_if_it_is_http(visitor: Visitor, template: int) -> None:
    urls = (*UNREACHABLE, "http://", "https://a b", "mailto:x@example.com", "x@example.com", "tel:+331")
    projects = [{"name": "x", "url": url} for url in (*urls, "github.com/me/x", "https://example.com/x")]
    resume = await visitor.write_resume(template=template, email="m@example.com", projects_data=projects)
    assert resume["projects_data"] == projects
    _, pdf = await visitor.export(resume["id"])
    linked = {
        note.get_object()["/A"]["/URI"]
        for page in pdf.pages
        for note in page.get("/Annots", ())
        if "/A" in note.get_object()
    }
    assert linked == {"mailto:m@example.com", "https://github.com/me/x", "https://example.com/x"}


async def test_photo_url_is_not_fetched(visitor: Visitor, trap: Trap) -> None:
    resume = await visitor.write_resume()
    for url in (*trap.urls, *UNREACHABLE):
        answer = await visitor.request("PATCH", f"{LIST}{resume['id']}/", json={"photo": url})
        refused = "The submitted data was not a file. Check the encoding type on the form."
        assert expect(answer, 400) == {"photo": [refused]}, url
    assert await visitor.get(LIST) == [resume]
    assert trap.calls == []


async def test_import_requests_only_its_source(visitor: Visitor, trap: Trap) -> None:
    host = f"127.0.0.1:{trap.port}"
    tricks = (
        f"https://linkedin.com@{host}/in/johndoe", f"https://{host}/in/johndoe", f"https://{host}#.linkedin.com/in/johndoe",
        f"https://www.linkedin.com:{trap.port}@{host}/in/johndoe", f"https://{host}?.linkedin.com/in/johndoe",
        f"https://{host}\\.linkedin.com/in/johndoe", "https://linkedin.com.evil.example/in/johndoe",
        "https://www.linkedin.com/in/../../johndoe", "https://www.linkedin.com/in/johndoe%0d%0aHost:x",
        f"{host}/linkedin.com/in/johndoe", f"linkedin.com@{host}/in/johndoe", f"linkedin.com:{trap.port}/in/johndoe",
        "//www.linkedin.com/in/johndoe", "https://www.linkedin.com/company/johndoe",
    )  # fmt: skip
    for url in (*tricks, *trap.urls, *UNREACHABLE):
        answer = await visitor.request("POST", IMPORT, json={"linkedin_url": url})
        assert expect(answer, 400) == example("3.7 error"), url
    assert trap.calls == []


async def test_data_export_fetches_nothing(visitor: Visitor, trap: Trap) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(
            "Profile.csv",
            "First Name,Last Name,Headline,Summary,Websites\n"
            f'Marie,Dubois,x,"{trap.urls[0]}","[PERSONAL:{trap.urls[0]}],[OTHER:file:///etc/passwd]"\n',
        )
        archive.writestr("Projects.csv", f"Title,Description,Url\nx,x,{trap.urls[1]}\ny,y,file:///etc/passwd\n")
    files = {"file": ("export.zip", content.getvalue(), "application/zip")}
    resume = expect(await visitor.request("POST", IMPORT, files=files), 201)
    assert "file:" not in str([resume["website"], [project["url"] for project in resume["projects_data"]]])
    await visitor.export(resume["id"])
    assert trap.calls == []


async def test_checkout_returns_only_to_allowed_origins(visitor: Visitor, trap: Trap) -> None:
    good = "http://localhost:3000/payment"
    resume = await visitor.write_resume()
    for url in (*trap.urls, *UNREACHABLE, "http://localhost:3000@evil.example/", "https://evil.example/"):
        for broken in ("success_url", "cancel_url"):
            body = {"payment_type": "single", "resume_id": resume["id"], "success_url": good, "cancel_url": good}
            answer = await visitor.request("POST", "/api/payments/create-checkout/", json={**body, broken: url})
            assert list(expect(answer, 400)) == [broken], url
    assert trap.calls == []
