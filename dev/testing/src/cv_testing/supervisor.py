"""Programs kept running: started, watched until they answer, restarted when they crash, ended with their starter."""

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
"""Seconds after which a program counts as running well, so that its next crash is its first."""
_MAX_RESTART_DELAY = 15.0
_STOP_TIMEOUT = 15.0
"""Seconds between asking a program to stop and killing it."""

OutputSink = Callable[[str, str], None]
"""Takes a program's name and one line that it wrote, or that is said about it."""


def discard_output(name: str, line: str) -> None:
    """A `Say` for programs whose words nobody needs; the last of them are kept for a ProgramFailed."""


class ProgramFailed(Exception):
    """A program did not come up. The message is for people and ends with what the program wrote last."""

    def __init__(self, message: str, output: Iterable[str] = ()) -> None:
        super().__init__("\n    ".join([message, *output]))


@dataclass(frozen=True)
class Program:
    """What to run, and how to tell that it is ready."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    """What it is told, beside what the machine tells every program."""
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    pass_fds: Sequence[int] = field(default=())


class ProcessSupervisor:
    """Keeps one program running in a process group of its own, from `start` until `stop`."""

    def __init__(self, program: Program, say: OutputSink = discard_output) -> None:
        self.program = program
        self._say = say
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._crashes = 0
        self._recent: deque[str] = deque(maxlen=30)

    @property
    def pid(self) -> int | None:
        """The running process, or None between two lives."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the program; returns at once."""
        self._stopping.clear()
        self._crashes = 0
        self._thread = threading.Thread(target=self._supervise, name=self.program.name, daemon=True)
        self._thread.start()

    def wait_ready(self, timeout: float = 120.0) -> None:
        """Wait until the program answers. Raises ProgramFailed when it crashes twice in a row or takes too long."""
        deadline = time.monotonic() + timeout
        while not self._ready.wait(0.05):
            if self._crashes >= 2:
                raise ProgramFailed(f"{self.program.name} does not start", self._recent)
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{self.program.name} was not ready within {timeout:.0f} s", self._recent)

    def kill(self) -> None:
        """Crash the program, as a kill -9 would; returns when it is dead. It is started again."""
        self._ready.clear()
        if (pid := self.pid) is not None and (process := self._process) is not None:
            os.kill(pid, signal.SIGKILL)
            process.wait()

    def stop(self, by: signal.Signals | None = None) -> None:
        """Ask the program to stop (`by` another signal than its own, such as SIGKILL), wait, kill it if it does not."""
        self._stopping.set()
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, by or self.program.stop_signal)
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT)
            if self._thread.is_alive() and (pid := self.pid) is not None:
                self._say(self.program.name, f"!! does not stop within {_STOP_TIMEOUT:.0f} s and is killed")
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
            self._say(self.program.name, f"!! died ({_cause(code)}) and starts again in {pause:.1f} s")
            self._stopping.wait(pause)

    def _run_once(self) -> int:
        """Run the program once, from start to end. Returns how it ended."""
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
        if self._stopping.is_set():  # stop() came between the thread's start and the process's
            process.send_signal(self.program.stop_signal)
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        self._await_ready(process)
        code = process.wait()
        self._ready.clear()
        # Workers that outlive their parent would keep its port.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        reader.join(timeout=1)
        return code

    def _await_ready(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            if self.program.is_ready():
                self._ready.set()
                if self._crashes:
                    self._say(self.program.name, "is back")
                return
            time.sleep(0.05)

    def _read(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                self._recent.append(line.rstrip("\n"))
                self._say(self.program.name, line.rstrip("\n"))


@contextmanager
def running(program: Program) -> Iterator[ProcessSupervisor]:
    """The program, ready, for the length of the block."""
    keeper = ProcessSupervisor(program)
    keeper.start()
    try:
        keeper.wait_ready()
        yield keeper
    finally:
        keeper.stop()


def responds(url: str) -> bool:
    """Whether a GET of `url` succeeds within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (OSError, http.client.HTTPException):  # who has the port may not even speak HTTP
        return False


def _cause(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _stop_with_parent(stop_signal: signal.Signals) -> list[str]:
    """Where the system can do that: a prefix that stops the program when the process that started it is gone."""
    if sys.platform != "linux" or (setpriv := shutil.which("setpriv")) is None:
        return []
    return [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--"]
