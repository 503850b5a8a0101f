"""The corpus, exported once for all tests."""

from collections.abc import AsyncIterator

import pytest
from cv_stack.system import System

from tests.documents.corpus import Case
from tests.documents.exports import export_all, member
from tests.documents.pdfs import Pdf


@pytest.fixture(scope="session")
async def pdfs(
    request: pytest.FixtureRequest, started_system: System
) -> AsyncIterator[dict[Case, Pdf | AssertionError]]:
    """Yield the PDFs of the selected cases, or why a CV was rejected."""
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    cases = [each.params["case"] for each in parameters if each and "case" in each.params]
    async with member(started_system.ports.public_url) as visitor:
        yield await export_all(visitor, dict.fromkeys(case for case in cases if isinstance(case, Case)))


@pytest.fixture
def pdf(case: Case, pdfs: dict[Case, Pdf | AssertionError]) -> Pdf:
    """Return the PDF of the case, or fail with the reason why its CV was rejected."""
    exported = pdfs[case]
    if isinstance(exported, AssertionError):
        raise exported
    return exported
