"""One private running system for all journeys and for the oracle: its own data, free ports, every process real."""

import asyncio
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cv_stack.console import readable
from cv_stack.system import System

from tests.integration.visitor import eventually

_written: deque[str] = deque(maxlen=300)
"""What the system's programs wrote last."""


@pytest.fixture(scope="session")
def started_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system, once for the whole run."""
    with running_system(tmp_path_factory.mktemp("system")) as system:
        yield system


@contextmanager
def running_system(data: Path, *, with_proxies: bool = False) -> Iterator[System]:
    """A system of its own, which keeps its data in a folder; `with_proxies`: PostgreSQL and NATS can be frozen."""
    started = System(
        data,
        lambda name, line: _written.append(f"{name:<9} | {readable(line)}"),
        settings={"RATE_LIMITS_ENABLED": "false"},  # all visitors of the tests come from one address
        with_proxies=with_proxies,
    )
    started.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
async def system(started_system: System) -> System:
    """The running system, recovered from what the test before has done to it."""

    async def is_ready() -> bool:
        return await asyncio.to_thread(started_system.is_ready)

    await eventually(is_ready)
    return started_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the programs had to say."""
    report = yield
    if report.failed:
        report.sections.append(("what the system wrote", "\n".join(_written)))
    return report
