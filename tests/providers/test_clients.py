"""The clients of each service against the other services of the running system."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from cv_auth.clients import SessionClaimClient
from cv_common.kernel.errors import BadRequest
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import Signer
from cv_payments.clients.resumes import Resumes
from cv_resumes.clients import Renderer, Template, Templates
from cv_stack.secrets import Secrets
from cv_stack.system import System
from cv_templates.clients import Renderer as Painter
from cv_templates.domain import InvalidCatalog, Manifest, TemplateSource

from tests.integration.visitor import Visitor

Call = Callable[[str, str], Awaitable[ServiceClient]]

DOCUMENT = {"full_name": "Marie Dubois", "email": "marie@example.com"}


@pytest.fixture
async def call(system: System) -> AsyncIterator[Call]:
    """Opens a client of one service for another."""
    keys = Secrets(system.data / "secrets.json")
    async with AsyncExitStack() as stack:

        async def open_client(caller: str, provider: str) -> ServiceClient:
            signer = Signer(caller, keys.signing_key(f"{caller} identity"))
            client = ServiceClient(provider, system.ports.url(provider), signer)
            await client.start()
            stack.push_async_callback(client.stop)
            return client

        yield open_client


@pytest.fixture
async def visitor(system: System) -> AsyncIterator[Visitor]:
    async with Visitor(system.ports.public_url) as visitor:
        yield visitor


async def test_payments_checks_that_a_resume_exists(call: Call, visitor: Visitor) -> None:
    resumes = Resumes(await call("payments", "resumes"))
    resume = await visitor.write_resume()
    assert await resumes.exists(resume["id"])
    assert not await resumes.exists(2**62)


async def test_auth_claims_a_session_at_resumes_and_payments(call: Call, visitor: Visitor) -> None:
    resume = await visitor.write_resume()
    await visitor.checkout(payment_type="monthly")
    clients = [await call("auth", "resumes"), await call("auth", "payments")]
    session_id = resume["session_id"]
    await SessionClaimClient(clients).claim(session_id, user_id=10**9)
    assert await visitor.get("/api/resumes/") == []
    for client in clients:
        reply = await client.post(f"/internal/sessions/{session_id}/claim/", {"user_id": 10**9})
        assert reply.status == 204, "claiming twice changes nothing"


async def test_resumes_fetches_a_template(call: Call) -> None:
    templates = Templates(await call("resumes", "templates"))
    premium = await templates.get(2)
    assert premium is not None
    assert (premium.id, premium.is_premium, premium.is_active) == (2, True, True)
    assert "<html" in premium.html
    free = await templates.default()
    assert free is not None
    assert (free.is_premium, free.is_active) == (False, True)
    assert await templates.get(10**9) is None


async def render(renderer: Renderer, resume_id: int, html: str, **changes: Any) -> str:
    template = Template(1, is_premium=False, is_active=True, version="of this test", html=html, css="")
    request: dict[str, Any] = {
        "resume_id": resume_id, "file_name": "marie_dubois_cv_20260101.pdf", "template": template,
        "document": DOCUMENT, "language": "fr", "watermark": False, "photo": None,
    }  # fmt: skip
    return await renderer.render(**{**request, **changes})


async def test_resumes_renders_a_pdf(call: Call, visitor: Visitor) -> None:
    renderer = Renderer(await call("resumes", "renderer"))
    path = await render(renderer, 10**9, "<html lang='{{ language }}'><h1>{{ resume.full_name }}</h1></html>")
    assert path.endswith("/marie_dubois_cv_20260101.pdf")
    file = await visitor.request("GET", path)
    assert (file.status_code, file.headers["content-type"]) == (200, "application/pdf")
    with pytest.raises(BadRequest):
        await render(renderer, 10**9, "<html><body>" + "<p style='break-after: page'>x</p>" * 25)


async def test_templates_renders_a_thumbnail(call: Call) -> None:
    painter = Painter(await call("templates", "renderer"))
    found = await Templates(await call("resumes", "templates")).get(1)
    assert found is not None
    draft = draft_of(html=found.html, css=found.css)
    assert (await painter.thumbnail(draft, DOCUMENT)).startswith(b"\x89PNG")
    with pytest.raises(InvalidCatalog):
        await painter.thumbnail(draft_of(html="{% if %}", css=""), DOCUMENT)


def draft_of(html: str, css: str) -> TemplateSource:
    manifest = Manifest(name="x", description="x", is_premium=False, position=1)
    return TemplateSource("of_this_test", manifest, html, css)


async def test_calls_of_other_services_are_refused(call: Call) -> None:
    for caller, provider, path in (
        ("renderer", "resumes", "/internal/resumes/1/"),
        ("payments", "templates", "/internal/templates/1/"),
        ("templates", "auth", "/api/auth/profile/"),
    ):
        assert (await (await call(caller, provider)).get(path)).status == 401, (caller, provider)
