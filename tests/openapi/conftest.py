"""The OpenAPI document of the running system, as its gateway serves it."""

import httpx
import pytest
from cv_stack.system import System

from tests.openapi.document import Json

PATHS = 20
"""How many paths there are at least: a document asked for too early is not whole."""


@pytest.fixture
def url(system: System) -> str:
    """Where the gateway is."""
    return system.ports.public_url


@pytest.fixture
def document(url: str) -> Json:
    """The merged document."""
    answer = httpx.get(f"{url}/api/schema/", timeout=30)
    document: Json = answer.raise_for_status().json()
    assert len(document["paths"]) >= PATHS
    return document
