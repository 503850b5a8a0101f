"""A kept program comes back after a crash, is named when it does, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cv_testing import supervisor
from cv_testing.serving import eventually
from cv_testing.supervisor import ProcessSupervisor, Program, ProgramFailed

Keep = Callable[..., ProcessSupervisor]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def keep(tmp_path: Path, said: list[str]) -> Iterator[Keep]:
    """Keeps a Python script running that is ready once it has made the file `ready`."""
    with ExitStack() as running:

        def make(script: str) -> ProcessSupervisor:
            ready = tmp_path / "ready"
            command = [sys.executable, "-u", "-c", script, str(ready)]
            keeper = ProcessSupervisor(
                Program("worker", command, {"TOLD": "1"}, ready.exists),
                lambda name, line: said.append(f"{name}: {line}"),
            )
            keeper.start()
            running.callback(keeper.stop)
            return keeper

        yield make


READY = "import sys, time, pathlib; print('hello'); pathlib.Path(sys.argv[1]).touch()\n"


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for yet does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # gone since, or a system without /proc, where the first line has told it all
        return not Path("/proc").exists()
    return status.rpartition(")")[2].split()[0] != "Z"


async def test_its_output_is_passed_on(keep: Keep, said: list[str]) -> None:
    keep(READY + "time.sleep(1000)").wait_ready()

    await eventually(lambda: "worker: hello" in said)


async def test_it_is_told_what_it_needs_and_nothing_of_its_starters_settings(
    keep: Keep, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENVIRONMENT", "DATABASE_DIRECT_URL", "LC_TIME", "https_proxy", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "set")
    keep(READY + "import os; print(sorted(os.environ)); time.sleep(1000)")

    await eventually(lambda: len(said) == 2)
    for name in ("PATH", "HOME", "LC_TIME", "https_proxy", "SSL_CERT_FILE", "TOLD"):
        assert f"'{name}'" in said[1]
    for name in ("ENVIRONMENT", "DATABASE_DIRECT_URL", "PYTEST_CURRENT_TEST"):
        assert f"'{name}'" not in said[1]


def test_a_crash_is_named_and_mended(keep: Keep, said: list[str]) -> None:
    worker = keep(READY + "time.sleep(1000)")
    worker.wait_ready()
    first = worker.pid

    worker.kill()
    worker.wait_ready()

    assert worker.pid not in (None, first)
    assert any("worker: !! died (killed by SIGKILL) and starts again" in line for line in said)
    assert "worker: is back" in said


def test_one_that_cannot_start_is_told_with_its_last_words(keep: Keep) -> None:
    with pytest.raises(ProgramFailed, match=r"(?s)worker does not start.*no such luck"):
        keep("raise SystemExit('no such luck')").wait_ready()


def test_one_that_does_not_stop_is_killed(keep: Keep, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_STOP_TIMEOUT", 0.3)
    worker = keep("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(1000)")
    worker.wait_ready()
    pid = worker.pid

    worker.stop()

    assert pid is not None
    assert not is_alive(pid)
    assert any("is killed" in line for line in said)


async def test_its_children_do_not_outlive_it(keep: Keep, tmp_path: Path) -> None:
    child = tmp_path / "child"
    worker = keep(
        "import subprocess, pathlib\n"
        "sleeper = subprocess.Popen(['sleep', '1000'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(sleeper.pid))\n" + READY + "time.sleep(1000)"
    )
    worker.wait_ready()
    pid = int(child.read_text())

    worker.stop()

    await eventually(lambda: not is_alive(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its starter's death")
async def test_it_ends_with_the_one_who_started_it() -> None:
    with start_starter() as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        # Only what has become the program has been told to end with its starter.
        await eventually(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")

        starter.send_signal(signal.SIGKILL)

    await eventually(lambda: not is_alive(pid))


def start_starter() -> subprocess.Popen[str]:
    """A process that keeps a sleeper, and writes the sleeper's process id."""
    return subprocess.Popen(
        [
            sys.executable, "-u", "-c",
            ("import time\n"
            "from cv_testing.supervisor import ProcessSupervisor, Program\n"
            "keeper = ProcessSupervisor(Program('sleeper', ['sleep', '1000'], {}, lambda: True), print)\n"
            "keeper.start(); keeper.wait_ready(); print(keeper.pid); time.sleep(1000)\n"),
        ],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
