"""The HTTP routes: services create PDFs and thumbnails, and anyone with a link fetches a PDF."""

import asyncio
import base64
import io
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from cv_common.kernel.database import connect_directly
from cv_renderer.main import app
from cv_testing.identity import IdentityKeys
from cv_testing.ports import free_port
from cv_testing.serving import eventually, serving
from cv_testing.supervisor import Program, responds, running
from PIL import Image
from pypdf import PdfReader

PDFS, THUMBNAILS = "/internal/pdfs/", "/internal/thumbnails/"


def replica(environment: dict[str, str], port: int) -> Program:
    """Return the service as a separate process."""
    command = [sys.executable, "-m", "cv_common.kernel.server", "cv_renderer.main:app", "--port", str(port)]
    return Program("renderer", command, environment, lambda: responds(f"http://127.0.0.1:{port}/readyz"))


@pytest.fixture
async def another_replica(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a second replica, which shares the database and the media folder."""
    port = free_port()
    with running(replica(environment, port)):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client


@pytest.fixture
async def short_links(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a renderer whose links expire after one second."""
    async with serving(app, {**environment, "PDF_LINK_LIFETIME": "1"}) as client:
        yield client


async def create_pdf(client: httpx.AsyncClient, pdf_request: dict[str, Any], headers: dict[str, str]) -> str:
    """Request a PDF and return its path."""
    response = await client.post(PDFS, json=pdf_request, headers=headers)
    assert response.status_code == 200, response.text
    return str(response.json()["path"])


async def render_count(client: httpx.AsyncClient) -> int:
    """Return the number of documents that this replica has rendered."""
    lines = (await client.get("/metrics")).text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith('renders_total{outcome="done"}'))


def files(media_folder: Path) -> set[Path]:
    return {path for path in media_folder.rglob("*") if path.is_file()}


async def test_a_document_that_exceeds_its_cpu_time_is_rejected(
    environment: dict[str, str], pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    pdf_request["document"]["custom_sections"] = [{"title": "t", "content": "l " * 4950}] * 25
    async with serving(app, {**environment, "RENDER_CPU_SECONDS": "1"}) as client:
        response = await client.post(PDFS, json=pdf_request, headers=as_resumes)
    assert (response.status_code, response.json()) == (400, {"detail": "The document is too complex to be rendered."})


async def test_a_pdf_is_created_and_fetched(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    response = await renderer.post(PDFS, json=pdf_request, headers=as_resumes)
    assert response.status_code == 200
    assert set(response.json()) == {"path", "expires_at"}
    path = response.json()["path"]
    assert path.startswith("/media/resumes/pdfs/")
    assert path.endswith("/marie_dubois_cv_20251029.pdf")

    pdf = await renderer.get(path)
    assert pdf.status_code == 200
    assert PdfReader(io.BytesIO(pdf.content)).pages[0].extract_text().startswith("Marie Dubois")
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.headers["Content-Disposition"] == 'inline; filename="marie_dubois_cv_20251029.pdf"'
    assert pdf.headers["Cache-Control"] == "private, no-store"
    assert pdf.headers["Referrer-Policy"] == "no-referrer"
    assert pdf.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_pdf_can_be_fetched_in_ranges(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    path = await create_pdf(renderer, pdf_request, as_resumes)
    whole = await renderer.get(path)
    size = len(whole.content)
    assert whole.headers["Accept-Ranges"] == "bytes"
    same = {"If-Range": whole.headers["ETag"]}
    parts = [
        await renderer.get(path, headers={"Range": asked, **same})
        for asked in (f"bytes=0-{size // 2}", f"bytes={size // 2 + 1}-")
    ]
    assert [part.status_code for part in parts] == [206, 206]
    assert b"".join(part.content for part in parts) == whole.content
    assert parts[1].headers["Content-Range"] == f"bytes {size // 2 + 1}-{size - 1}/{size}"

    refused = await renderer.get(path, headers={"Range": f"bytes={size}-"})
    assert (refused.status_code, refused.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert refused.json() == {"detail": "The requested range is not satisfiable."}
    for answer in (*parts, refused):
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    other = await renderer.get(path, headers={"Range": "bytes=0-0", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)


async def test_an_equal_request_returns_the_same_file(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    path = await create_pdf(renderer, pdf_request, as_resumes)
    before = await render_count(renderer)
    assert await create_pdf(renderer, pdf_request, as_resumes) == path
    renamed = await create_pdf(renderer, {**pdf_request, "file_name": "marie_dubois_cv_20251030.pdf"}, as_resumes)
    assert renamed.endswith("_20251030.pdf")
    assert (await renderer.get(renamed)).content == (await renderer.get(path)).content
    assert await render_count(renderer) == before


async def test_a_visible_difference_makes_another_file(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str], photo: bytes
) -> None:
    variants = [
        pdf_request,
        {**pdf_request, "watermark": True},
        {**pdf_request, "language": "en"},
        {**pdf_request, "photo": base64.b64encode(photo).decode()},
        {**pdf_request, "resume_id": pdf_request["resume_id"] + 1_000_000},
        {**pdf_request, "template": {**pdf_request["template"], "version": "2"}},
        {**pdf_request, "document": {**pdf_request["document"], "title": "Designer"}},
        {
            **pdf_request,
            "document": {**pdf_request["document"], "hobbies": [{"name": "Chess"}]},
        },
    ]
    assert len({await create_pdf(renderer, variant, as_resumes) for variant in variants}) == len(variants)


async def test_concurrent_equal_requests_render_once(
    renderer: httpx.AsyncClient,
    another_replica: httpx.AsyncClient,
    pdf_request: dict[str, Any],
    as_resumes: dict[str, str],
    media_folder: Path,
) -> None:
    async def rendered() -> int:
        return await render_count(renderer) + await render_count(another_replica)

    before, files_before = await rendered(), files(media_folder)
    clients = [renderer, another_replica] * 4
    paths = await asyncio.gather(*(create_pdf(client, pdf_request, as_resumes) for client in clients))
    assert await rendered() == before + 1
    assert len(files(media_folder) - files_before) == 1
    assert len(set(paths)) == 1


async def test_concurrent_equal_requests_share_the_successor_of_an_expiring_link(
    renderer: httpx.AsyncClient, environment: dict[str, str], pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    expiring = await create_pdf(renderer, pdf_request, as_resumes)
    async with (
        await connect_directly(environment["DATABASE_URL"]) as database,
        await connect_directly(environment["DATABASE_URL"]) as observer,
    ):
        await database.execute("update links set expires_at = now() + interval '1 minute'")

        async def all_are_waiting() -> bool:
            waiting = await observer.execute(
                "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            )
            return len(await waiting.fetchall()) == 8

        async with database.transaction():  # no request adds a link before all have found none
            await database.execute("select 1 from pdfs where resume_id = %s for update", (pdf_request["resume_id"],))
            requests = [asyncio.create_task(create_pdf(renderer, pdf_request, as_resumes)) for _ in range(8)]
            await eventually(all_are_waiting)
        (successor,) = set(await asyncio.gather(*requests))
    assert successor != expiring


async def test_a_link_expires(
    short_links: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    path = await create_pdf(short_links, pdf_request, as_resumes)
    assert (await short_links.get(path)).status_code == 200

    async def has_expired() -> bool:
        return (await short_links.get(path)).status_code == 404

    await eventually(has_expired)
    assert (await short_links.get(path)).json() == {"detail": "Not found."}
    assert await create_pdf(short_links, pdf_request, as_resumes) != path


async def test_only_the_exact_link_opens_a_file(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    path = await create_pdf(renderer, {**pdf_request, "watermark": True}, as_resumes)
    folder, _, name = path.rpartition("/")
    for wrong in (f"{folder}/other.pdf", f"{folder}x/{name}", f"/media/resumes/pdfs/{'a' * 32}/{name}", f"{folder}/"):
        assert (await renderer.get(wrong)).status_code == 404


async def test_a_lost_file_is_rendered_again(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str], media_folder: Path
) -> None:
    before = files(media_folder)
    path = await create_pdf(renderer, pdf_request, as_resumes)
    (lost,) = files(media_folder) - before
    lost.unlink()
    assert (await renderer.get(path)).status_code == 404
    again = await create_pdf(renderer, pdf_request, as_resumes)
    assert again != path
    assert (await renderer.get(again)).status_code == 200


async def test_a_document_that_is_too_long_is_a_400_and_leaves_no_file(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str], media_folder: Path
) -> None:
    before = files(media_folder)
    pdf_request["document"]["summary"] = "word\n\n" * 3000
    response = await renderer.post(PDFS, json=pdf_request, headers=as_resumes)
    assert (response.status_code, response.json()) == (400, {"detail": "The document is longer than 20 pages."})
    assert files(media_folder) == before


@pytest.mark.parametrize(
    ("html", "error"),
    [
        ("{{ resume.", "TemplateSyntaxError: "),
        ("{{ resume.full_name | period }}", "AttributeError: 'str' object has no attribute 'get'"),
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{% include 'x' %}", "TypeError: no loader for this environment specified"),
    ],
)
async def test_a_mistake_in_a_template_is_a_400_that_names_it(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], as_resumes: dict[str, str], html: str, error: str
) -> None:
    pdf_request["template"]["html"] = html
    response = await renderer.post(PDFS, json=pdf_request, headers=as_resumes)
    assert response.status_code == 400
    assert response.json()["detail"].startswith(f"The template cannot be filled: {error}")


async def test_a_pdf_that_cannot_be_stored_is_a_503_with_retry_after(
    environment: dict[str, str], pdf_request: dict[str, Any], as_resumes: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "media"
    async with serving(app, {**environment, "MEDIA_URL": folder.as_uri()}) as renderer:
        shutil.rmtree(folder)
        folder.touch()
        response = await renderer.post(PDFS, json=pdf_request, headers=as_resumes)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        folder.unlink()
        assert (await renderer.get(await create_pdf(renderer, pdf_request, as_resumes))).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"file_name": "../../etc/passwd"}, "file_name"),
        ({"file_name": 'a".pdf'}, "file_name"),
        ({"language": "no language"}, "language"),
        ({"document": {}}, "document.full_name"),
        ({"resume_id": 0}, "resume_id"),
        ({"photo": "not base64"}, "photo"),
    ],
)
async def test_an_invalid_request_is_a_400_that_names_the_field(
    renderer: httpx.AsyncClient,
    pdf_request: dict[str, Any],
    as_resumes: dict[str, str],
    change: dict[str, Any],
    field: str,
) -> None:
    response = await renderer.post(PDFS, json={**pdf_request, **change}, headers=as_resumes)
    assert response.status_code == 400
    assert response.json()["detail"].startswith(f"{field}: ")


async def test_only_services_can_create_pdfs(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], identity_keys: IdentityKeys
) -> None:
    assert (await renderer.post(PDFS, json=pdf_request)).status_code == 401
    for user in (identity_keys.user("renderer", 1), identity_keys.stranger("renderer")):
        assert (await renderer.post(PDFS, json=pdf_request, headers=user)).status_code == 404


async def test_a_thumbnail_is_a_png_of_the_first_page(
    renderer: httpx.AsyncClient, pdf_request: dict[str, Any], sample: dict[str, Any], identity_keys: IdentityKeys
) -> None:
    body = {"template": pdf_request["template"], "document": sample, "language": "fr"}
    templates = identity_keys.service("renderer", "templates")
    response = await renderer.post(THUMBNAILS, json=body, headers=templates)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as picture:
        assert picture.size == (840, 1188)

    body["template"] = {"html": "{{ resume.", "css": ""}
    response = await renderer.post(THUMBNAILS, json=body, headers=templates)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("The template cannot be filled")


async def test_a_full_queue_is_a_503(
    environment: dict[str, str], pdf_request: dict[str, Any], as_resumes: dict[str, str]
) -> None:
    async with serving(app, {**environment, "RENDER_WORKERS": "1", "RENDER_QUEUE": "0"}) as renderer:
        requests = [{**pdf_request, "resume_id": 5_000_000 + number} for number in range(5)]
        answers = await asyncio.gather(*(renderer.post(PDFS, json=request, headers=as_resumes) for request in requests))
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(200) >= 1
        assert statuses.count(503) == 5 - statuses.count(200) > 0
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json() == {"detail": "Too many documents are being rendered, try again later."}


async def test_an_interrupted_render_is_repeated(
    renderer: httpx.AsyncClient,
    environment: dict[str, str],
    pdf_request: dict[str, Any],
    as_resumes: dict[str, str],
    media_folder: Path,
) -> None:
    """A process that is killed after it adds the row leaves an unfinished row, which the next render reuses."""
    path = await create_pdf(renderer, pdf_request, as_resumes)
    async with await connect_directly(environment["DATABASE_URL"]) as database:
        await database.execute("update pdfs set rendered_at = null where resume_id = %s", (pdf_request["resume_id"],))
        before = files(media_folder)
        assert (await renderer.get(path)).status_code == 404
        again = await create_pdf(renderer, pdf_request, as_resumes)
        assert (await renderer.get(again)).status_code == 200
        assert files(media_folder) == before


def test_a_stopped_service_leaves_no_temporary_folders(environment: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:  # a short path, because a file in it is a Unix socket
        with running(replica({**environment, "TMPDIR": folder}, free_port())):
            assert any(Path(folder).iterdir())
        assert not any(Path(folder).iterdir())


async def test_readyz_is_200(renderer: httpx.AsyncClient) -> None:
    assert (await renderer.get("/readyz")).status_code == 200
