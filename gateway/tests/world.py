"""Test environment: fake services that record requests, auth's keys, and gateways."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httpx
import jwt
from aiohttp import web
from cv_common.kernel.identity import Caller, Verifier, generate_keys, private_key, public_key_of
from cv_gateway.main import Gateway
from cv_gateway.settings import Settings
from cv_testing.environment import machine_environment
from cv_testing.ports import free_port
from cv_testing.serving import eventually
from cv_testing.supervisor import ProcessSupervisor, Program, responds
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

SERVICES = tuple(
    name.removesuffix("_url")
    for name, field in Settings.model_fields.items()
    if name.endswith("_url") and field.is_required()
)
SESSION_KEY = "the first session key, 32 characters or more"
FRONTEND = "https://cv.example"

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Received:
    """A request as a service received it."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def caller(self, gateway_key: str) -> Caller:
        """Return the caller of the identity token, verified like in a service."""
        return Verifier(self.service, {"gateway": gateway_key}).verify(self.headers.get("X-Identity"))


@dataclass
class FakeService:
    """An HTTP server that records every request and answers with its name, or calls `respond`."""

    name: str
    keys: "AuthKeys"
    port: int = field(default_factory=free_port)
    received: list[Received] = field(default_factory=list)
    respond: Respond | None = None
    schema: dict[str, Any] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=0, handler_args={"auto_decompress": False})
        app.router.add_get("/.well-known/jwks.json", self._jwks)
        app.router.add_get("/openapi.json", self._openapi)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def reset(self) -> None:
        self.received.clear()
        self.respond = None

    async def _jwks(self, _: web.Request) -> web.Response:
        self.keys.fetches += 1
        return web.json_response(self.keys.jwks())

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.json_response(self.schema)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.respond is not None:
            return await self.respond(request)
        await self.record(request)
        return web.json_response({"service": self.name})

    async def record(self, request: web.Request) -> Received:
        """Read a request completely and record it."""
        received = Received(self.name, request.method, request.raw_path, request.headers, await request.read())
        self.received.append(received)
        return received


FakeServices = dict[str, FakeService]


class AuthKeys:
    """The signing keys of auth: issues access tokens and the JWKS."""

    def __init__(self) -> None:
        self.seeds = {"first": generate_keys()[0]}
        self.fetches = 0

    def jwks(self) -> dict[str, Any]:
        published = ((kid, public_key_of(seed)) for kid, seed in self.seeds.items())
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": public} for kid, public in published]}

    def claims(self, user_id: object = 7, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": "auth", "token_type": "access", "user_id": str(user_id), "sub": str(user_id), "jti": "j"}
        return {**claims, "iat": now, "exp": now + 900, **changes}

    def token(self, *, kid: str = "first", user_id: object = 7, **changes: Any) -> str:
        claims = self.claims(user_id, **changes)
        return jwt.encode(claims, private_key(self.seeds[kid]), algorithm="EdDSA", headers={"kid": kid})


@dataclass
class RunningGateway:
    """A gateway with its port and an HTTP client."""

    port: int
    public_key: str
    client: httpx.AsyncClient

    async def raw(self, data: bytes, *, until: bytes = b"", seconds: float = 10) -> bytes:
        """Return the response to raw bytes: everything up to `until`, or until the connection closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(seconds):
                return await reader.readuntil(until) if until else await reader.read()
        finally:
            writer.close()


@dataclass
class GatewayProcess(RunningGateway):
    """A gateway in a process of its own, as in a deployment, with its unpublished port and its output."""

    ops_port: int
    lines: list[str]
    supervisor: ProcessSupervisor

    def log(self, request_id: str) -> list[dict[str, Any]]:
        """Return the log lines of one request."""
        parsed = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [line for line in parsed if line.get("request_id") == request_id]


@asynccontextmanager
async def gateway_process(services: FakeServices, *, wait: bool = True) -> AsyncIterator[GatewayProcess]:
    """Run a gateway as a deployment does."""
    port, ops_port = free_port(), free_port()
    variables, public_key = environment(services, port)
    variables |= {"OPS_PORT": str(ops_port)}
    command = [sys.executable, "-m", "cv_gateway", "--port", str(port)]
    lines: list[str] = []
    ready = f"http://127.0.0.1:{ops_port}/readyz"
    program = Program("gateway", command, variables, lambda: responds(ready))
    supervisor = ProcessSupervisor(program, lambda _, line: lines.append(line))
    supervisor.start()
    try:
        if wait:
            await asyncio.to_thread(supervisor.wait_ready)
        async with client_of(port) as client:
            yield GatewayProcess(port, public_key, client, ops_port, lines, supervisor)
    finally:
        await asyncio.to_thread(supervisor.stop)


@asynccontextmanager
async def embedded_gateway(services: FakeServices, settings: Mapping[str, str]) -> AsyncIterator[RunningGateway]:
    """Serve a gateway with its production server, granian, in the process of the tests: it starts 20 times faster.

    `settings` override the defaults of the tests.
    """
    port = free_port()
    variables, public_key = environment(services, port)
    with mock.patch.dict(os.environ, {**machine_environment(), **variables, **settings}, clear=True):
        gateway = Gateway(Settings())
    server = Server(
        gateway, "127.0.0.1", port, interface=Interfaces.ASGI, http=HTTPModes.http1, websockets=False,
        backlog=4096, backpressure=8192, log_enabled=False,
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    try:
        async with client_of(port) as client:
            await eventually(lambda: client.get("/healthz"), despite=(httpx.TransportError,))
            yield RunningGateway(port, public_key, client)
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await serving


def client_of(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=15)


def environment(services: FakeServices, port: int) -> tuple[dict[str, str], str]:
    """Return the environment of a gateway, and the public key of its identity tokens."""
    seed, public_key = generate_keys()
    return {
        **{f"{name.upper()}_URL": service.url for name, service in services.items()},
        "IDENTITY_PRIVATE_KEY": seed,
        "SESSION_KEYS": json.dumps([SESSION_KEY]),
        "CORS_ALLOWED_ORIGINS": json.dumps([FRONTEND]),
        "PUBLIC_BASE_URL": f"http://localhost:{port}",
        "RATE_LIMITS_ENABLED": "false",
    }, public_key
