"""Supervised programs: output, environment, restart and shutdown."""

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

Supervise = Callable[..., ProcessSupervisor]


@pytest.fixture
def output() -> list[str]:
    return []


@pytest.fixture
def supervise(tmp_path: Path, output: list[str]) -> Iterator[Supervise]:
    """Return a function that supervises a Python script, which is ready when it has created the file `ready`."""
    with ExitStack() as running:

        def make(script: str) -> ProcessSupervisor:
            ready = tmp_path / "ready"
            command = [sys.executable, "-u", "-c", script, str(ready)]
            supervisor = ProcessSupervisor(
                Program("worker", command, {"TOLD": "1"}, ready.exists),
                lambda name, line: output.append(f"{name}: {line}"),
            )
            supervisor.start()
            running.callback(supervisor.stop)
            return supervisor

        yield make


READY = "import sys, time, pathlib; print('hello'); pathlib.Path(sys.argv[1]).touch()\n"


def is_alive(pid: int) -> bool:
    """Return whether the process runs. A zombie does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # the process has ended since, or the system has no /proc
        return not Path("/proc").exists()
    return status.rpartition(")")[2].split()[0] != "Z"


async def test_output_is_passed_on(supervise: Supervise, output: list[str]) -> None:
    supervise(READY + "time.sleep(1000)").wait_ready()

    await eventually(lambda: "worker: hello" in output)


async def test_the_program_inherits_no_settings(
    supervise: Supervise, output: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENVIRONMENT", "DATABASE_DIRECT_URL", "LC_TIME", "https_proxy", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "set")
    supervise(READY + "import os; print(sorted(os.environ)); time.sleep(1000)")

    await eventually(lambda: len(output) == 2)
    for name in ("PATH", "HOME", "LC_TIME", "https_proxy", "SSL_CERT_FILE", "TOLD"):
        assert f"'{name}'" in output[1]
    for name in ("ENVIRONMENT", "DATABASE_DIRECT_URL", "PYTEST_CURRENT_TEST"):
        assert f"'{name}'" not in output[1]


def test_a_crash_is_reported_and_the_program_restarts(supervise: Supervise, output: list[str]) -> None:
    worker = supervise(READY + "time.sleep(1000)")
    worker.wait_ready()
    first = worker.pid

    worker.kill()
    worker.wait_ready()

    assert worker.pid not in (None, first)
    assert any("worker: !! died (killed by SIGKILL), restarts" in line for line in output)
    assert "worker: is back" in output


def test_a_failed_start_is_reported_with_the_last_output(supervise: Supervise) -> None:
    with pytest.raises(ProgramFailed, match=r"(?s)worker does not start.*no such luck"):
        supervise("raise SystemExit('no such luck')").wait_ready()


def test_a_program_that_does_not_stop_is_killed(
    supervise: Supervise, output: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_STOP_TIMEOUT", 0.3)
    worker = supervise("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(1000)")
    worker.wait_ready()
    pid = worker.pid

    worker.stop()

    assert pid is not None
    assert not is_alive(pid)
    assert any("killing it" in line for line in output)


async def test_child_processes_end_with_the_program(supervise: Supervise, tmp_path: Path) -> None:
    child = tmp_path / "child"
    worker = supervise(
        "import subprocess, pathlib\n"
        "sleeper = subprocess.Popen(['sleep', '1000'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(sleeper.pid))\n" + READY + "time.sleep(1000)"
    )
    worker.wait_ready()
    pid = int(child.read_text())

    worker.stop()

    await eventually(lambda: not is_alive(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent dies")
async def test_the_program_ends_with_its_parent() -> None:
    with start_parent() as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        # Only what has become the program has been told to end with its parent.
        await eventually(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")

        parent.send_signal(signal.SIGKILL)

    await eventually(lambda: not is_alive(pid))


def start_parent() -> subprocess.Popen[str]:
    """Start a process that supervises a sleeping program and prints its process id."""
    return subprocess.Popen(
        [
            sys.executable, "-u", "-c",
            ("import time\n"
            "from cv_testing.supervisor import ProcessSupervisor, Program\n"
            "supervisor = ProcessSupervisor(Program('sleeper', ['sleep', '1000'], {}, lambda: True), print)\n"
            "supervisor.start(); supervisor.wait_ready(); print(supervisor.pid); time.sleep(1000)\n"),
        ],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
