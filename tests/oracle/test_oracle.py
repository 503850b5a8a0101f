"""Compares error bodies with those of Django REST Framework for a corpus of invalid requests, through the gateway."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
from cv_stack.system import System

from tests.oracle import corpus, drf

# The contract's lists of errors are those of DRF before 3.20, which warns of the change.
pytestmark = pytest.mark.filterwarnings("ignore:The list-based error format")

Vary = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]

BODIES_THAT_ARE_NONE: tuple[Any, ...] = ([], [1], "text", 7, 1.5, True, None)


@pytest.fixture
def client(system: System) -> Iterable[httpx.Client]:
    with httpx.Client(base_url=system.ports.public_url, timeout=30) as client:
        yield client


def send(client: httpx.Client, path: str, body: Any) -> httpx.Response:
    """Send a body that may contain a lone surrogate, which JSON libraries of clients refuse."""
    return client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})


def sendable(errors: Any) -> Any:
    """DRF's errors in a form that can be sent: a message cannot contain a lone surrogate."""
    return json.loads(json.dumps(errors, ensure_ascii=False).encode("utf-8", "replace"))


def differences(
    client: httpx.Client, path: str, serializer: Any, bodies: Iterable[Any]
) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of bodies that DRF refuses, and the differences from our errors."""
    refused, different = 0, []
    for body in bodies:
        expected = drf.find_errors(serializer, body)
        if expected is None:
            continue
        refused += 1
        answer = send(client, path, body)
        got = answer.json() if answer.status_code == 400 else answer.status_code
        if got != sendable(expected):
            different.append({"drf": expected, "ours": got})
    return refused, different


@pytest.mark.parametrize(
    ("vary", "minimum"),
    [
        pytest.param(corpus.vary_together, 100, id="together"),
        pytest.param(corpus.vary, 500, id="one by one", marks=pytest.mark.operations),
    ],
)
def test_errors_of_resumes_equal_those_of_drf(client: httpx.Client, vary: Vary, minimum: int) -> None:
    bodies = [*vary(corpus.RESUME), *corpus.ended_before_it_began(), *BODIES_THAT_ARE_NONE]
    refused, different = differences(client, "/api/resumes/", drf.Resume, bodies)
    assert refused >= minimum
    assert different == []


def test_raw_bodies_are_parsed_like_drf(client: httpx.Client) -> None:
    client.cookies.clear()
    created = client.post("/api/resumes/", json={"template": 1, "full_name": "x", "email": "x@example.com"})
    path, different, taken = f"/api/resumes/{created.json()['id']}/", [], 0
    for raw, content_type in corpus.raw_bodies():
        refusal, texts = drf.read(drf.Resume, raw, content_type)
        answer = client.patch(path, content=raw, headers=[(b"Content-Type", content_type.encode("latin-1"))])
        got = answer.json() if answer.status_code == 400 else answer.status_code
        kept = {name: answer.json().get(name) for name in texts}
        taken += refusal is None
        if (got, kept) != (200 if refusal is None else sendable(refusal), texts):
            different.append({"sent": (raw, content_type), "drf": refusal or texts, "ours": answer.text[:300]})
    assert taken >= 20
    assert different == []


def test_errors_of_registrations_equal_those_of_drf(client: httpx.Client) -> None:
    bodies = [
        *corpus.vary(corpus.REGISTER),
        *(corpus.with_password(password) for password in corpus.PASSWORDS),
        *BODIES_THAT_ARE_NONE,
    ]
    refused, different = differences(client, "/api/auth/register/", drf.Register, bodies)
    assert refused >= 100
    assert different == []
