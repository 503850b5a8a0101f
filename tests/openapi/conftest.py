"""The OpenAPI document of the running system, as its gateway serves it."""

import httpx
import pytest
from cv_stack.system import System

from tests.openapi.document import Json

PATHS = 20
"""The minimum number of paths: the document is incomplete until all services have started."""


@pytest.fixture(scope="module")
def url(system: System) -> str:
    """Return the URL of the gateway."""
    return system.ports.public_url


@pytest.fixture(scope="module")
def document(url: str) -> Json:
    """Return the merged document."""
    answer = httpx.get(f"{url}/api/schema/", timeout=30)
    document: Json = answer.raise_for_status().json()
    assert len(document["paths"]) >= PATHS
    return document
