"""One private running system for all journeys: its own data, free ports, every process real."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from cv_stack.console import Console
from cv_stack.system import System


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system; what its programs write during a test is shown when the test fails."""
    data = tmp_path_factory.mktemp("system")
    with closing(Console(data / "logs")) as console:
        running = System(data, console)
        running.start()
        yield running
        running.stop()
