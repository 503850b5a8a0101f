"""Supervision of programs: start, wait until ready, restart after a crash, stop with the parent process."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from cv_testing.environment import machine_environment

_STABLE_SECONDS = 10.0
"""Seconds after which a running program counts as stable: its next crash counts as the first."""
_MAX_RESTART_DELAY = 15.0
_STOP_TIMEOUT = 15.0
"""Seconds between the stop signal and SIGKILL."""

OutputSink = Callable[[str, str], None]
"""Called with a program's name and a line of its output or of a message about it."""


def discard_output(name: str, line: str) -> None:
    """Discard the output. The supervisor keeps the last lines for ProgramFailed."""


class ProgramFailed(Exception):
    """A program did not start. The message ends with its last lines of output."""

    def __init__(self, message: str, output: Iterable[str] = ()) -> None:
        super().__init__("\n    ".join([message, *output]))


@dataclass(frozen=True)
class Program:
    """A command, its environment and a check whether it is ready."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    """Variables in addition to `machine_environment()`."""
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    pass_fds: Sequence[int] = field(default=())


class ProcessSupervisor:
    """Keeps a program running in its own process group between `start` and `stop`."""

    def __init__(self, program: Program, output: OutputSink = discard_output) -> None:
        self.program = program
        self._output = output
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._crashes = 0
        self._recent: deque[str] = deque(maxlen=30)

    @property
    def pid(self) -> int | None:
        """The id of the running process, or None."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the program in the background."""
        self._stopping.clear()
        self._crashes = 0
        self._thread = threading.Thread(target=self._supervise, name=self.program.name, daemon=True)
        self._thread.start()

    def wait_ready(self, timeout: float = 120.0) -> None:
        """Wait until the program is ready. Raises ProgramFailed after two crashes in a row or `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._ready.wait(0.05):
            if self._crashes >= 2:
                raise ProgramFailed(f"{self.program.name} does not start", self._recent)
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{self.program.name} was not ready within {timeout:.0f} s", self._recent)

    def kill(self) -> None:
        """Kill the program with SIGKILL and wait for its end. The supervisor restarts it."""
        self._ready.clear()
        if (pid := self.pid) is not None and (process := self._process) is not None:
            os.kill(pid, signal.SIGKILL)
            process.wait()

    def stop(self, by: signal.Signals | None = None) -> None:
        """Stop the program with its stop signal, or with `by`. Kills it if it does not stop in time."""
        self._stopping.set()
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, by or self.program.stop_signal)
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT)
            if self._thread.is_alive() and (pid := self.pid) is not None:
                self._output(self.program.name, f"!! does not stop within {_STOP_TIMEOUT:.0f} s, killing it")
                os.kill(pid, signal.SIGKILL)
                self._thread.join()
        self._ready.clear()

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run_once()
            if self._stopping.is_set():
                return
            self._crashes = 1 if time.monotonic() - began > _STABLE_SECONDS else self._crashes + 1
            pause = min(0.25 * 2**self._crashes, _MAX_RESTART_DELAY)
            self._output(self.program.name, f"!! died ({_cause(code)}), restarts in {pause:.1f} s")
            self._stopping.wait(pause)

    def _run_once(self) -> int:
        """Run the program once. Returns its exit code."""
        process = subprocess.Popen(
            [*_stop_with_parent(self.program.stop_signal), *self.program.command],
            env={**machine_environment(), **self.program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self.program.pass_fds,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._process = process
        if self._stopping.is_set():  # stop() ran between the start of the thread and of the process
            process.send_signal(self.program.stop_signal)
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        self._await_ready(process)
        code = process.wait()
        self._ready.clear()
        # Workers that survive their parent would keep its port.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        reader.join(timeout=1)
        return code

    def _await_ready(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            if self.program.is_ready():
                self._ready.set()
                if self._crashes:
                    self._output(self.program.name, "is back")
                return
            time.sleep(0.05)

    def _read(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                self._recent.append(line.rstrip("\n"))
                self._output(self.program.name, line.rstrip("\n"))


@contextmanager
def running(program: Program) -> Iterator[ProcessSupervisor]:
    """Run the program, ready, while the block lasts."""
    supervisor = ProcessSupervisor(program)
    supervisor.start()
    try:
        supervisor.wait_ready()
        yield supervisor
    finally:
        supervisor.stop()


def responds(url: str) -> bool:
    """Return whether a GET of `url` succeeds within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (OSError, http.client.HTTPException):  # another program on the port may not speak HTTP
        return False


def _cause(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _stop_with_parent(stop_signal: signal.Signals) -> list[str]:
    """Return a command prefix that stops the program when its parent ends, if the system supports that."""
    if sys.platform != "linux" or (setpriv := shutil.which("setpriv")) is None:
        return []
    return [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--"]
