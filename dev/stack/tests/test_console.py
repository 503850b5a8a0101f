"""The output on the terminal and in the log files."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cv_stack.console import Console, readable


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    with closing(Console(tmp_path)) as console:
        yield console


def test_json_line_becomes_plain_text() -> None:
    line = '{"time":"2026-01-01","level":"warning","service":"auth","message":"slow","request_id":"r","ms":900}'

    assert readable(line) == "warning: slow ms=900"


def test_standard_fields_are_omitted() -> None:
    assert readable('{"level":"info","message":"started"}') == "started"


@pytest.mark.parametrize("line", ["plain text", "[1, 2]", '{"no": "message"}', "12", ""])
def test_other_lines_are_unchanged(line: str) -> None:
    assert readable(line) == line


def test_terminal_shows_the_program_and_file_has_the_whole_line(
    console: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console("resumes", '{"level":"info","message":"started"}')

    assert capsys.readouterr().out == "resumes   | started\n"
    assert (tmp_path / "resumes.log").read_text() == '{"level":"info","message":"started"}\n'


def test_terminal_shows_only_problems_of_servers(
    console: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console("postgres", "2026-01-01 UTC [1] LOG:  checkpoint complete")
    console("nats", "[1] 2026/01/01 [INF] Server is ready")
    console("postgres", "2026-01-01 UTC [1] PANIC:  could not write")

    assert capsys.readouterr().out == "postgres  | 2026-01-01 UTC [1] PANIC:  could not write\n"
    assert "checkpoint complete" in (tmp_path / "postgres.log").read_text()
