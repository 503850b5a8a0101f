"""One private running system for all tests: its own data, free ports, every process real."""

import asyncio
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cv_stack.console import readable
from cv_stack.system import System

from tests.integration.visitor import eventually

_output: deque[str] = deque(maxlen=300)
"""The last lines of the system's programs."""


@pytest.fixture(scope="session")
def started_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Yield the system, once for the whole run."""
    with running_system(tmp_path_factory.mktemp("system")) as system:
        yield system


@contextmanager
def running_system(data: Path, *, with_proxies: bool = False) -> Iterator[System]:
    """Run a system with its data in a folder; `with_proxies` lets tests freeze PostgreSQL and NATS."""
    started = System(
        data,
        lambda name, line: _output.append(f"{name:<9} | {readable(line)}"),
        settings={"RATE_LIMITS_ENABLED": "false"},  # all tests have one network address
        with_proxies=with_proxies,
        durable=False,
    )
    started.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
async def system(started_system: System) -> System:
    """Return the running system, after it has recovered from the previous module."""
    await recovery(started_system)
    return started_system


async def recovery(system: System) -> None:
    """Wait until every program answers."""

    async def is_ready() -> bool:
        return await asyncio.to_thread(system.is_ready)

    await eventually(is_ready)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the output of the programs to the report of a failure."""
    report = yield
    if report.failed:
        report.sections.append(("output of the system", "\n".join(_output)))
    return report
