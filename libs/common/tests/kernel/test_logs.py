"""Log lines: their JSON, and when they are written."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cv_common.kernel.logs import BufferedHandler, JsonFormatter
from cv_testing.serving import eventually


class Stream(io.StringIO):
    """Remembers what each call wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def logger(stream: Stream) -> Iterator[logging.Logger]:
    """Yield a logger with a BufferedHandler that writes to `stream`."""
    handler = BufferedHandler(stream)
    logger = logging.getLogger("buffered")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def test_lines_are_written_together_at_a_warning(logger: logging.Logger, stream: Stream) -> None:
    logger.info("one")
    logger.info("two")
    assert stream.writes == []
    logger.warning("three")
    assert stream.writes == ["one\ntwo\nthree\n"]


def test_lines_are_written_at_64_kibibytes(logger: logging.Logger, stream: Stream) -> None:
    for _ in range(65):
        logger.info("x" * 1024)
    (block,) = stream.writes
    assert len(block) == 64 * 1025


async def test_lines_are_written_after_a_second(logger: logging.Logger, stream: Stream) -> None:
    logger.info("one")
    await eventually(lambda: stream.writes == ["one\n"], timeout=10)


@pytest.mark.parametrize("process", ["main", "forked"])
def test_lines_are_written_at_exit(process: str) -> None:
    work = "logs.configure('small', 'info'); logging.getLogger().info('last line')"
    if process == "forked":
        work = f"p = get_context('fork').Process(target=lambda: exec({work!r})); p.start(); p.join()"
    script = f"import logging; from multiprocessing import get_context; from cv_common.kernel import logs; {work}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(ended.stderr)["message"] == "last line"


def test_any_value_can_be_formatted() -> None:
    record = logging.makeLogRecord({"msg": "odd \ud800", "levelno": 30, "number": 10**30, "thing": object()})
    line = json.loads(JsonFormatter("resumes").format(record))
    assert (line["message"], line["number"]) == ("odd \ud800", 10**30)
