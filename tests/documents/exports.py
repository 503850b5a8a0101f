"""Export the corpus through the running system: as a member with a subscription, so that no page has a watermark."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from tests.contract.conftest import subscribe
from tests.documents.corpus import Case, template_names
from tests.documents.drawings import draw
from tests.documents.pdfs import Pdf
from tests.integration.visitor import Visitor, expect

_AT_ONCE = 2
"""Exports at the same time."""


@asynccontextmanager
async def member(public_url: str) -> AsyncIterator[Visitor]:
    """Yield a visitor with an account and a subscription."""
    async with Visitor(public_url) as visitor:
        await visitor.login((await visitor.register())["email"])
        await subscribe(visitor)
        yield visitor


async def export_all(visitor: Visitor, cases: Iterable[Case]) -> dict[Case, Pdf | AssertionError]:
    """Export the cases. A case whose CV is rejected has an error instead of a PDF."""
    ids = {each["name"]: each["id"] for each in await visitor.get("/api/templates/")}
    templates = {folder: ids[name] for folder, name in template_names().items()}
    slots = asyncio.Semaphore(_AT_ONCE)

    async def run(case: Case) -> tuple[Case, Pdf | AssertionError]:
        async with slots:
            try:
                return case, await _export(visitor, case, templates[case.template])
            except AssertionError as error:
                return case, error

    return dict(await asyncio.gather(*(run(case) for case in cases)))


async def _export(visitor: Visitor, case: Case, template: int) -> Pdf:
    """Export a case. The request accepts a language that no CV is written in: the text of a CV decides."""
    created = expect(
        await visitor.request("POST", "/api/resumes/", json={**case.resume.body, "template": template}), 201
    )
    path = f"/api/resumes/{created['id']}/"
    if case.resume.photo:
        expect(await visitor.request("PATCH", path, files={"photo": draw(case.resume.photo)}), 200)
    headers = {"Accept-Language": "fi"}
    exported = expect(await visitor.request("POST", f"{path}export_pdf/", json={}, headers=headers), 200)
    assert exported["has_watermark"] is False
    return Pdf((await visitor.request("GET", exported["pdf_url"])).content)
