"""The middleware and the app: authentication, errors, health, logs, metrics and components."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from cv_common.app import CallerDep, create_app
from cv_common.kernel.errors import ServiceUnavailable, ValidationFailed
from cv_common.kernel.logs import JsonFormatter
from cv_common.kernel.settings import ServiceSettings
from cv_testing.identity import IdentityKeys
from cv_testing.serving import serving
from fastapi import APIRouter
from starlette.responses import Response
from starlette.types import Message

USERS_ONLY = "/api/notes/mine/"
TROUBLES: dict[str, Callable[[str], Exception]] = {
    "database": psycopg.OperationalError,
    "dependency": lambda _: ServiceUnavailable("The renderer is busy.", retry_after=7),
    "input": lambda _: ValidationFailed.on("name", "No."),
}


def notes_router() -> APIRouter:
    router = APIRouter()

    @router.get("/api/notes/")
    async def read_caller(caller: CallerDep) -> dict[str, Any]:
        return {"user": caller.user_id, "session": caller.session_id}

    @router.post(USERS_ONLY)
    async def mine(caller: CallerDep) -> dict[str, Any]:
        return {"user": caller.user_id}

    @router.get("/api/notes/{trouble}/")
    async def trouble(trouble: str) -> Response:
        raise TROUBLES.get(trouble, RuntimeError)("secret detail")

    @router.get("/internal/notes/")
    async def internal(caller: CallerDep) -> dict[str, Any]:
        return {"service": caller.issuer}

    @router.get("/media/notes/{name}")
    @router.get("/.well-known/{name}")
    async def public(name: str) -> dict[str, Any]:
        return {"name": name}

    return router


class FaultyComponent:
    """A component whose problem can be set."""

    name = "sick"
    problem: str | None = None

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> str | None:
        return self.problem


@pytest.fixture
def faulty() -> FaultyComponent:
    return FaultyComponent()


@pytest.fixture
async def notes(
    identity_keys: IdentityKeys, monkeypatch: pytest.MonkeyPatch, faulty: FaultyComponent
) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in identity_keys.environment("resumes").items():
        monkeypatch.setenv(name, value)
    app = create_app("resumes", ServiceSettings(), [notes_router()], components=[faulty], users_only={USERS_ONLY})
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://notes") as client:
        yield client


@pytest.fixture
def stranger(identity_keys: IdentityKeys) -> dict[str, str]:
    return identity_keys.stranger("resumes")


def expect_401(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


def expect_404(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


async def test_routes_get_the_caller(notes: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    for headers, expected in [
        (identity_keys.user("resumes", 7), {"user": 7, "session": None}),
        (identity_keys.session("resumes", "abc"), {"user": None, "session": "abc"}),
        (identity_keys.stranger("resumes"), {"user": None, "session": None}),
    ]:
        assert (await notes.get("/api/notes/", headers=headers)).json() == expected


async def test_requests_without_a_valid_token_are_401(notes: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    for path in ("/api/notes/", USERS_ONLY, "/internal/notes/", "/nowhere/", "/"):
        for headers in (
            {},
            {"X-Identity": "forged"},
            identity_keys.stranger("payments"),
            IdentityKeys.generate().stranger("resumes"),
            {"X-User-Id": "1", "Authorization": "Bearer x"},
        ):
            expect_401(await notes.get(path, headers=headers))


async def test_internal_paths_are_for_services_only(notes: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    service = identity_keys.service("resumes", "payments")
    assert (await notes.get("/internal/notes/", headers=service)).json() == {"service": "payments"}
    for visitor in (identity_keys.user("resumes", 1), identity_keys.stranger("resumes")):
        expect_404(await notes.get("/internal/notes/", headers=visitor))
        expect_404(await notes.get("/internal/nowhere/", headers=visitor))
    expect_404(await notes.get("/api/notes/", headers=service))


async def test_public_paths_need_no_token(notes: httpx.AsyncClient) -> None:
    for path in ("/media/notes/a.png", "/.well-known/jwks.json", "/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert (await notes.get(path)).status_code == 200, path
    expect_401(await notes.get("/mediax"))


async def test_401_comes_before_405(notes: httpx.AsyncClient, identity_keys: IdentityKeys) -> None:
    for method in ("GET", "POST", "DELETE"):
        for visitor in (identity_keys.stranger("resumes"), identity_keys.session("resumes", "abc")):
            expect_401(await notes.request(method, USERS_ONLY, headers=visitor))
    user = identity_keys.user("resumes", 7)
    assert (await notes.post(USERS_ONLY, headers=user)).json() == {"user": 7}
    refused = await notes.get("/api/notes/mine/", headers=identity_keys.service("resumes", "auth"))
    expect_404(refused)


async def test_error_responses_reveal_no_internals(notes: httpx.AsyncClient, stranger: dict[str, str]) -> None:
    database = await notes.get("/api/notes/database/", headers=stranger)
    assert database.status_code == 503
    assert int(database.headers["retry-after"]) > 0
    dependency = await notes.get("/api/notes/dependency/", headers=stranger)
    assert (dependency.status_code, dependency.json()) == (503, {"detail": "The renderer is busy."})
    assert dependency.headers["retry-after"] == "7"
    refused = await notes.get("/api/notes/input/", headers=stranger)
    assert (refused.status_code, refused.json()) == (400, {"name": ["No."]})
    bug = await notes.get("/api/notes/bug/", headers=stranger)
    assert (bug.status_code, bug.json()) == (500, {"detail": "A server error occurred."})


async def test_health_names_problems_and_readiness_ignores_them(
    notes: httpx.AsyncClient, faulty: FaultyComponent
) -> None:
    healthy = await notes.get("/healthz")
    assert (healthy.status_code, healthy.json()) == (200, {"status": "ok", "problems": {}})
    faulty.problem = "it hurts"
    unhealthy = await notes.get("/healthz")
    assert (unhealthy.status_code, unhealthy.json()) == (503, {"status": "unhealthy", "problems": {"sick": "it hurts"}})
    assert (await notes.get("/readyz")).status_code == 200


class Lines(logging.Handler):
    """Collects the log lines as parsed JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter("resumes"))
        self.all: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(json.loads(self.format(record)))

    def of(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.all if line["message"] == message]


@pytest.fixture
def lines(notes: httpx.AsyncClient) -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


async def test_a_failed_request_is_one_line_without_its_path_or_query(
    notes: httpx.AsyncClient, lines: Lines, stranger: dict[str, str]
) -> None:
    await notes.get("/api/notes/database/?email=a@x.com", headers={**stranger, "X-Request-Id": "gateway-made-12"})
    (line,) = lines.of("request")
    assert line["ms"] >= 0
    assert {name: line[name] for name in ("level", "service", "request_id", "method", "route", "status")} == {
        "level": "warning",
        "service": "resumes",
        "request_id": "gateway-made-12",
        "method": "GET",
        "route": "/api/notes/{trouble}/",
        "status": 503,
    }
    assert "a@x.com" not in json.dumps(lines.all)


async def test_other_requests_are_logged_only_if_slow(
    notes: httpx.AsyncClient, lines: Lines, stranger: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/api/notes/", "/api/notes/input/", "/nowhere/"):
        await notes.get(path, headers=stranger)
    assert lines.of("request") == []
    monkeypatch.setattr("cv_common.kernel.middleware.SLOW_SECONDS", 0)
    await notes.get("/api/notes/input/", headers=stranger)
    (line,) = lines.of("request")
    assert (line["level"], line["status"]) == ("info", 400)


async def test_a_request_without_a_valid_id_gets_one_for_all_its_lines(
    notes: httpx.AsyncClient, lines: Lines, stranger: dict[str, str]
) -> None:
    for given in ({}, {"X-Request-Id": "short"}, {"X-Request-Id": "a" * 65}, {"X-Request-Id": "line\tbreak{}"}):
        await notes.get("/api/notes/bug/", headers={**stranger, **given})
    requests, bugs = lines.of("request"), lines.of("unexpected error")
    ids = [line["request_id"] for line in requests]
    assert len(set(ids)) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", identity) for identity in ids)
    assert [line["request_id"] for line in bugs] == ids
    assert [line["status"] for line in requests] == [500] * 4
    assert "secret detail" in bugs[0]["exception"]


async def test_concurrent_requests_keep_their_own_ids(
    notes: httpx.AsyncClient, lines: Lines, stranger: dict[str, str]
) -> None:
    ids = [f"request-{number:04}" for number in range(20)]
    await asyncio.gather(*(notes.get("/api/notes/bug/", headers={**stranger, "X-Request-Id": id_}) for id_ in ids))
    assert sorted(line["request_id"] for line in lines.of("request")) == ids


async def test_health_checks_are_not_logged(notes: httpx.AsyncClient, lines: Lines, faulty: FaultyComponent) -> None:
    faulty.problem = "it hurts"
    for path in ("/healthz", "/readyz", "/metrics"):
        await notes.get(path)
    assert lines.of("request") == []


async def test_requests_are_counted_by_route(notes: httpx.AsyncClient, stranger: dict[str, str]) -> None:
    for number in range(3):
        await notes.get(f"/api/notes/{number}/", headers=stranger)
        await notes.get(f"/random/{number}/", headers=stranger)
    metrics = (await notes.get("/metrics")).text
    failed = re.search(r'http_requests_total\{method="GET",route="/api/notes/{trouble}/",status="500"\} (\d+)', metrics)
    assert failed is not None
    assert int(failed[1]) >= 3
    assert re.search(r'http_requests_total\{method="GET",route="unmatched",status="404"\} ', metrics)
    assert "/random/" not in metrics


class RecordingComponent(FaultyComponent):
    """A component that records when it starts and stops."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name = name
        self._diary = journal

    async def start(self) -> None:
        if self.name == "broken":
            raise OSError("it does not start")
        self._diary.append(f"{self.name} starts")

    async def stop(self) -> None:
        self._diary.append(f"{self.name} stops")


async def test_components_start_in_order_and_stop_in_reverse(identity_keys: IdentityKeys) -> None:
    journal: list[str] = []
    components = [RecordingComponent("one", journal), RecordingComponent("two", journal)]
    environment = identity_keys.environment("resumes")
    async with serving(
        lambda: create_app("resumes", ServiceSettings(), [], components=components), environment
    ) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert journal == ["one starts", "two starts"]
    assert journal == ["one starts", "two starts", "two stops", "one stops"]


async def test_a_component_that_fails_to_start_stops_the_others(
    identity_keys: IdentityKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal: list[str] = []
    for name, value in identity_keys.environment("resumes").items():
        monkeypatch.setenv(name, value)
    components = [RecordingComponent(name, journal) for name in ("one", "broken", "three")]
    app = create_app("resumes", ServiceSettings(), [], components=components)
    answers: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        answers.append(message)

    with pytest.raises(OSError, match="it does not start"):
        await app({"type": "lifespan"}, receive, send)
    assert [answer["type"] for answer in answers] == ["lifespan.startup.failed"]
    assert journal == ["one starts", "one stops"]
