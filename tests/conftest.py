"""One private running system for all journeys and for the oracle: its own data, free ports, every process real."""

from collections import deque
from collections.abc import Generator, Iterator

import pytest
from cv_stack.console import readable
from cv_stack.system import System

_written: deque[str] = deque(maxlen=300)
"""What the system's programs wrote last."""


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The running system."""
    running = System(
        tmp_path_factory.mktemp("system"), lambda name, line: _written.append(f"{name:<9} | {readable(line)}")
    )
    running.start()
    yield running
    running.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the programs had to say."""
    report = yield
    if report.failed:
        report.sections.append(("what the system wrote", "\n".join(_written)))
    return report
