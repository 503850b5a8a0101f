"""Measures the overhead of the gateway: one small response directly and through it, alternately, with keep-alive.

    .venv/bin/python benchmarks/gateway_overhead.py [--seconds 3] [--rounds 3] [--connections 16]

Prints requests per second and latency of both routes, their ratio, and the requests that the gateway forwards per
second of processor time, which a busy machine distorts least.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import jwt
import uvloop
from cv_common.kernel.identity import generate_keys, private_key, public_key_of
from cv_testing.ports import free_port
from cv_testing.supervisor import ProcessSupervisor, Program, responds
from cv_testing.workspace import SERVICES

PATH = "/api/templates/"
_BODY = json.dumps([{"id": 1, "name": "Modern Professional", "is_premium": False}]).encode()


async def upstream(scope: Any, _receive: Any, send: Any) -> None:
    """Serve as all services: return auth's public keys, and one small response for everything else."""
    if scope["type"] != "http":
        return
    body = os.environ["BENCHMARK_JWKS"].encode() if scope["path"].endswith("/jwks.json") else _BODY
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Run:
    """The requests of one route: their number, total duration and latencies in seconds."""

    seconds: float = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, percent: int) -> float:
        """Return a percentile of the latencies."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1000


class Visitor(asyncio.Protocol):
    """Sends requests repeatedly on one connection."""

    def __init__(self, request: bytes, run: Run, until: float, finished: asyncio.Future[None]) -> None:
        self._request, self._run, self._until, self._finished = request, run, until, finished

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Collect the response and send the next request when it is complete."""
        self._answer += data
        if not self._answer.endswith(_BODY):
            return
        now = time.perf_counter()
        self._run.latencies.append(now - self._asked)
        if now < self._until:
            self._send()
        else:
            self._finished.set_result(None)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail if the server closed the connection."""
        if not self._finished.done():
            self._finished.set_exception(error or ConnectionError("closed early"))

    def _send(self) -> None:
        self._answer = b""
        self._asked = time.perf_counter()
        self._transport.write(self._request)


async def visit(port: int, token: str, connections: int, seconds: float, run: Run) -> None:
    """Send requests to `port` over some connections for some seconds."""
    loop = asyncio.get_running_loop()
    request = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    began = time.perf_counter()
    finished = [loop.create_future() for _ in range(connections)]
    for each in finished:
        await loop.create_connection(partial(Visitor, request, run, began + seconds, each), "127.0.0.1", port)
    await asyncio.gather(*finished)
    run.seconds += time.perf_counter() - began


@contextmanager
def running(program: Program) -> Iterator[ProcessSupervisor]:
    """Run a program until the block ends."""
    keeper = ProcessSupervisor(program, lambda *_: None)
    keeper.start()
    try:
        keeper.wait_ready()
        yield keeper
    finally:
        keeper.stop()


def upstream_program(port: int, jwks: str) -> Program:
    """Return the fake of the services, on the server that they run on."""
    command = [
        sys.executable, "-m", "uvicorn", "--app-dir", str(Path(__file__).parent), "gateway_overhead:upstream",
        "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip
    return Program("upstream", command, {"BENCHMARK_JWKS": jwks}, lambda: responds(f"http://127.0.0.1:{port}/"))


def gateway_program(port: int, ops_port: int, upstream_port: int) -> Program:
    """Return the gateway as deployed, with all services at one address."""
    command = [sys.executable, "-m", "cv_gateway", "--port", str(port)]
    environment = {
        **{f"{name.upper()}_URL": f"http://127.0.0.1:{upstream_port}" for name in SERVICES},
        "IDENTITY_PRIVATE_KEY": generate_keys()[0],
        "SESSION_KEYS": json.dumps(["a session key of more than 32 characters"]),
        "OPS_PORT": str(ops_port),
        "RATE_LIMITS_ENABLED": "false",
    }
    return Program("gateway", command, environment, lambda: responds(f"http://127.0.0.1:{ops_port}/readyz"))


def processor_seconds(group: int) -> float:
    """Processor time that a process group has used so far; 0 except on Linux."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(connections: int, seconds: float, rounds: int) -> None:
    """Measure both routes alternately and print the results."""
    seed = generate_keys()[0]
    now = int(time.time())
    claims = {"iss": "auth", "token_type": "access", "user_id": "1", "jti": "1", "iat": now, "exp": now + 900}
    token = jwt.encode(claims, private_key(seed), algorithm="EdDSA", headers={"kid": "1"})
    jwks = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": public_key_of(seed)}]})
    upstream_port, port, ops_port = free_port(), free_port(), free_port()
    direct, through, spent = Run(), Run(), 0.0
    with (
        running(upstream_program(upstream_port, jwks)),
        running(gateway_program(port, ops_port, upstream_port)) as gateway,
    ):
        group = gateway.pid
        assert group is not None
        for _ in range(rounds):
            uvloop.run(visit(upstream_port, token, connections, seconds, direct))
            before = processor_seconds(group)
            uvloop.run(visit(port, token, connections, seconds, through))
            spent += processor_seconds(group) - before
    lines = [
        f"{name:8} {run.rate:7.0f} requests/s   p50 {run.milliseconds(50):.2f} ms   p99 {run.milliseconds(99):.2f} ms"
        for name, run in (("direct", direct), ("through", through))
    ]
    lines.append(f"ratio    {direct.rate / through.rate:7.2f}")
    if spent:
        lines.append(f"gateway  {len(through.latencies) / spent:7.0f} requests per processor second")
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=16)
    given = options.parse_args()
    measure(given.connections, given.seconds, given.rounds)
