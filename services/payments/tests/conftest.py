"""Fixtures: the service, PostgreSQL, NATS, and the Stripe sandbox as a process, shared by all tests."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from io import StringIO
from pathlib import Path

import httpx
import pytest
import stripe
from cv_common.kernel.database import Database
from cv_common.messaging.broker import Broker
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import Event, ResumePaymentChanged, SubscriptionChanged
from cv_payments import cli
from cv_payments.clients.stripe_connection import StripeConnection
from cv_payments.main import app
from cv_testing.identity import IdentityKeys
from cv_testing.nats import Nats
from cv_testing.plugin import StartNats
from cv_testing.ports import free_port
from cv_testing.serving import eventually, serving
from cv_testing.supervisor import ProcessSupervisor, Program, responds
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.payments.tests.replica import Replica
from services.payments.tests.system import API_KEY, ORIGIN, SECRETS, System


class FakeGateway:
    """A fake gateway that forwards webhooks with its own identity."""

    def __init__(self, keys: IdentityKeys) -> None:
        self._keys = keys
        self.payments: httpx.AsyncClient | None = None

    async def forward(self, request: Request) -> Response:
        if self.payments is None:
            return Response(status_code=503)
        headers = {"Stripe-Signature": request.headers["stripe-signature"], **self._keys.stranger("payments")}
        answer = await self.payments.post("/api/payments/webhook/", content=await request.body(), headers=headers)
        return Response(answer.content, answer.status_code)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/api/payments/webhook/", self.forward, methods=["POST"])])


def fake_resumes(resumes: set[int]) -> Starlette:
    """Return a fake resumes service."""

    async def find(request: Request) -> Response:
        resume_id = request.path_params["resume_id"]
        if resume_id not in resumes:
            return JSONResponse({"detail": "Not found."}, status_code=404)
        return JSONResponse({"id": resume_id})

    return Starlette(routes=[Route("/internal/resumes/{resume_id:int}/", find)])


def sandbox_program(port: int, folder: Path, webhook_url: str) -> Program:
    environment = {
        **os.environ,
        "SANDBOX_PORT": str(port),
        "SANDBOX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SANDBOX_API_KEY": API_KEY,
        "SANDBOX_WEBHOOK_URL": webhook_url,
        "SANDBOX_WEBHOOK_SECRET": SECRETS[0],
        "SANDBOX_DATA": str(folder),
        "SANDBOX_WEBHOOK_RETRY": "0.2",
    }
    command = [sys.executable, "-m", "cv_stripe_sandbox"]
    return Program("stripe", command, environment, lambda: responds(f"http://127.0.0.1:{port}/healthz"))


@pytest.fixture(scope="session")
async def gateway(identity_keys: IdentityKeys) -> AsyncIterator[tuple[FakeGateway, str]]:
    it = FakeGateway(identity_keys)
    async with serving(it.app, {}) as client:
        yield it, str(client.base_url).rstrip("/")


@pytest.fixture(scope="session")
def sandbox_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of the Stripe sandbox."""
    return tmp_path_factory.mktemp("stripe")


@pytest.fixture(scope="session")
def sandbox_url(sandbox_folder: Path, gateway: tuple[FakeGateway, str]) -> Iterator[str]:
    """Return a running Stripe sandbox that sends its webhooks to the fake gateway."""
    port = free_port()
    program = sandbox_program(port, sandbox_folder, f"{gateway[1]}/api/payments/webhook/")
    supervisor = ProcessSupervisor(program)
    supervisor.start()
    supervisor.wait_ready()
    yield f"http://127.0.0.1:{port}"
    supervisor.stop()


@pytest.fixture(scope="session")
def nats_server(start_nats: StartNats) -> Nats:
    """Return a NATS server for these tests."""
    return start_nats()


Environment = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def environment(identity_keys: IdentityKeys, nats_server: Nats, sandbox_url: str) -> Environment:
    """Return a function that returns the environment of a payments service."""

    def make(**changes: str) -> dict[str, str]:
        return {
            **identity_keys.environment("payments"),
            **nats_server.environment("payments"),
            "PUBLIC_BASE_URL": "http://localhost:8000",
            "RESUMES_URL": "http://127.0.0.1:9",
            "STRIPE_API_KEY": API_KEY,
            "STRIPE_API_BASE": sandbox_url,
            "STRIPE_WEBHOOK_SECRETS": json.dumps(SECRETS),
            "CHECKOUT_PROMOTION_CODES": "true",
            "CHECKOUT_ALLOWED_ORIGINS": json.dumps([ORIGIN, "http://localhost:8000"]),
            **changes,
        }

    return make


Operator = Callable[..., Awaitable[tuple[int, list[list[str]]]]]


@pytest.fixture
async def operator(system: System) -> AsyncIterator[Operator]:
    """Return a function that runs a command of `cv-payments`. Its result: the exit code, the columns of each line."""
    database = Database(system.database_url, pool_size=2)
    await database.start()

    async def run(*words: str) -> tuple[int, list[list[str]]]:
        lines, asked = StringIO(), cli.parse(words)
        assert asked.target != "setup-stripe"
        code = await cli.run_command(database, asked.target, asked.command, asked.keys, lines)
        return code, [line.split("\t") for line in lines.getvalue().splitlines()]

    yield run
    await database.stop()


def operate(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `cv-payments` as a program."""
    command = [str(Path(sys.executable).with_name("cv-payments")), *arguments]
    return subprocess.run(command, env={**os.environ, **settings}, check=False, capture_output=True, text=True)


@pytest.fixture(scope="session")
async def running_system(
    environment: Environment,
    service_database: Callable[[str], str],
    nats_server: Nats,
    identity_keys: IdentityKeys,
    sandbox_url: str,
    gateway: tuple[FakeGateway, str],
) -> AsyncIterator[System]:
    resumes: set[int] = set()
    published: list[Event] = []
    database_url = service_database("payments")
    async with AsyncExitStack() as stack:
        at_resumes = await stack.enter_async_context(serving(lambda: fake_resumes(resumes), {}))
        resumes_url = str(at_resumes.base_url)
        settings = environment(DATABASE_URL=database_url, RESUMES_URL=resumes_url)
        set_up = await asyncio.to_thread(operate, settings, "setup-stripe")
        assert set_up.returncode == 0, set_up.stderr
        payments = await stack.enter_async_context(serving(app, settings))
        gateway[0].payments = payments
        brokers = await stack.enter_async_context(fake_services(nats_server, published))
        sandbox = await stack.enter_async_context(httpx.AsyncClient(base_url=sandbox_url, timeout=30))
        client = stripe.StripeClient(API_KEY, base_addresses={"api": sandbox_url})
        it = System(payments, sandbox, client, identity_keys, database_url, resumes_url, brokers, resumes, published)
        yield it
        it.close()
        gateway[0].payments = None


@asynccontextmanager
async def fake_services(nats: Nats, published: list[Event]) -> AsyncIterator[dict[str, Broker]]:
    """Yield brokers of auth and resumes. Collects the events that payments publishes."""

    async def collect(event: Event) -> None:
        published.append(event)

    brokers = {}
    async with AsyncExitStack() as stack:
        for service in ("auth", "resumes"):
            login = nats.environment(service)
            broker = Broker(
                login["NATS_URL"], login["NATS_USER"], login["NATS_PASSWORD"], service=service, publishes=True
            )
            await broker.start()
            stack.push_async_callback(broker.stop)
            brokers[service] = broker
        consumer = Consumer(brokers["resumes"], {ResumePaymentChanged: collect, SubscriptionChanged: collect})
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        yield brokers


@pytest.fixture
def short_stripe_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a call to Stripe time out after 1 second instead of 8, and retry it at once: the retries fit into it."""
    monkeypatch.setattr(StripeConnection, "TIMEOUT", 1)
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0.05)


@pytest.fixture
async def replica(system: System, environment: Environment, tmp_path: Path) -> AsyncIterator[Replica]:
    """Return a second process of the service with debug logs."""
    settings = environment(DATABASE_URL=system.database_url, RESUMES_URL=system.resumes_url, LOG_LEVEL="DEBUG")
    it = Replica(settings, tmp_path / "log")
    try:
        await eventually(lambda: asyncio.to_thread(it.is_up))
        yield it
    finally:
        it.kill()
        await it.client.aclose()


@pytest.fixture
async def system(running_system: System) -> AsyncIterator[System]:
    """Return the running system; afterwards the sandbox has its default controls again."""
    yield running_system
    await running_system.reset_controls()
