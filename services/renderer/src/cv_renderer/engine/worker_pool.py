"""The worker pool: renders jobs in child processes of a forkserver, one for each core, and queues the others.

The forkserver is a process of its own, so the web process with its threads is never forked. A child that takes too
long is killed; a job whose child dies for another reason is tried a second time. Nothing is written to disk here.

A job that exceeds its CPU time or memory is rejected, because it always would. A job that exceeds its wall-clock time
may succeed later, because that depends on the load of the machine.
"""

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.util import get_temp_dir

from cv_renderer.domain.jobs import Job
from cv_renderer.engine import fonts, worker
from cv_renderer.engine.errors import EngineBusy, EngineFailed, JobRejected
from cv_renderer.engine.version import engine_version
from cv_renderer.engine.worker import EngineInfo, JobLimits, Output

log = logging.getLogger(__name__)

_PRELOAD = "cv_renderer.engine.preload"
_START_SECONDS = 60
_MAX_TRIES = 2
_OUT_OF_MEMORY = frozenset(-number for number in (signal.SIGABRT, signal.SIGBUS, signal.SIGSEGV, signal.SIGTRAP))
"""Exit codes of a child in which a C library could not allocate memory."""
_MAX_MESSAGE_BYTES = 64 * 1024**2


class WorkerPool:
    """Renders `workers` jobs at a time. At most `queue_size` more wait, each for at most `queue_timeout` seconds."""

    name = "rendering engine"

    def __init__(
        self,
        *,
        workers: int | None = None,
        queue_size: int = 20,
        queue_timeout: float = 10,
        limits: JobLimits | None = None,
    ) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._queue_size = queue_size
        self._queue_timeout = queue_timeout
        self._limits = limits or JobLimits()
        self._children = _ChildProcesses()
        self._threads = ThreadPoolExecutor(self._workers, "render")
        self._slots = asyncio.Semaphore(self._workers)
        self._waiting = 0
        self._problem: str | None = "the rendering engine is not started"
        self.version = ""
        """Changes whenever the same job may look different."""

    async def start(self) -> None:
        """Start and warm up the forkserver. Raises EngineFailed if it cannot render well."""
        _hide_main_module_from_children()
        info = await asyncio.get_running_loop().run_in_executor(self._threads, self.info)
        log.info("rendering engine started", extra={"weasyprint": info.weasyprint, "pango": info.pango})
        if not info.is_warm:
            raise EngineFailed("the rendering engine could not be warmed up")
        if not info.subsets_fonts:
            raise EngineFailed("harfbuzz-subset is missing: install libharfbuzz-subset0 (Debian) or harfbuzz")
        self.version = engine_version(info.weasyprint, str(info.pango), *fonts.font_packages())
        self._problem = None

    async def stop(self) -> None:
        """Wait for the running jobs. The forkserver ends with this process."""
        self._problem = "the rendering engine is stopping"
        await asyncio.to_thread(self._threads.shutdown)

    async def check(self) -> str | None:
        return self._problem

    async def render(self, job: Job, output: Output = Output.PDF) -> bytes:
        """Return the rendered file. Raises JobRejected, EngineBusy or EngineFailed."""
        await self._acquire_slot()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._render, job, output)
        finally:
            self._slots.release()

    async def _acquire_slot(self) -> None:
        if self._slots.locked() and self._waiting >= self._queue_size:
            raise EngineBusy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._queue_timeout):
                await self._slots.acquire()
        except TimeoutError:
            raise EngineBusy from None
        finally:
            self._waiting -= 1

    def _render(self, job: Job, output: Output) -> bytes:
        for _ in range(_MAX_TRIES):
            result = self._children.run(worker.run_job, (self._limits, job, output), self._limits.wall_seconds)
            self._problem = None if result.started else "the rendering engine cannot be started"
            if result.message[:1] == worker.DONE:
                return result.message[1:]
            if result.message[:1] == worker.REJECTED:
                raise JobRejected(result.message[1:].decode())
            if result.message[:1] == worker.FAILED:
                log.error("a render job raised an exception", extra={"exception": result.message[1:].decode()})
                break
            if result.exit_code == -signal.SIGXCPU:
                raise JobRejected(worker.TOO_COMPLEX)
            if result.timed_out:
                raise EngineFailed("The document takes too long to render.")
            log.warning("a render process died", extra={"exit_code": result.exit_code})
        if result.exit_code in _OUT_OF_MEMORY:
            raise JobRejected(worker.TOO_COMPLEX)
        raise EngineFailed("The document could not be rendered.")

    def info(self) -> EngineInfo:
        """Ask a new child process about the engine. Raises EngineFailed."""
        result = self._children.run(worker.send_engine_info, (), _START_SECONDS)
        if not result.message:
            raise EngineFailed("the rendering engine does not start; is pango installed? Its error output is above")
        return EngineInfo(**json.loads(result.message))

    def running_pids(self) -> set[int]:
        """Return the ids of the processes that render at this moment."""
        return self._children.pids.copy()


@dataclass(frozen=True, slots=True)
class _Result:
    """The message of a child process, empty if there is none, and how the process ended."""

    message: bytes
    exit_code: int | None
    timed_out: bool
    started: bool = True


class _ChildProcesses:
    """Starts child processes and waits for the one message that each sends. Thread-safe."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_PRELOAD])
        # multiprocessing polls all children whenever it starts one, which is not thread-safe.
        self._lock = threading.Lock()
        self.pids: set[int] = set()

    def run(self, target: Callable[..., None], arguments: tuple[object, ...], seconds: float) -> _Result:
        """Run `target(writer, *arguments)` in a child process, for at most `seconds`."""
        reader, writer = self._context.Pipe(duplex=False)
        child = self._context.Process(target=target, args=(writer, *arguments), daemon=True)
        started_at = time.monotonic()
        with reader:
            try:
                self._start(child)
            except (OSError, EOFError) as error:  # the forkserver has died; the next start brings up a new one
                log.warning("a render process could not be started", extra={"error": type(error).__name__})
                return _Result(b"", None, timed_out=False, started=False)
            finally:
                writer.close()
            message = _receive(reader, child, seconds)
        exit_code = self._reap(child)
        return _Result(message, exit_code, timed_out=time.monotonic() - started_at >= seconds)

    def _start(self, child: ForkServerProcess) -> None:
        with self._lock:
            # In case this starts a forkserver: it uses this folder, because it may be killed before it could delete
            # one of its own, while this process deletes this one at exit.
            os.environ[worker.FOLDER_VARIABLE] = get_temp_dir()
            child.start()
            self.pids.add(child.pid or 0)

    def _reap(self, child: ForkServerProcess) -> int | None:
        """Kill a child process whose message has arrived or whose time is over. Returns its exit code."""
        with self._lock:
            child.kill()
            child.join()
            self.pids.discard(child.pid or 0)
            exit_code = child.exitcode
            child.close()
        return exit_code


def _receive(reader: Connection, child: ForkServerProcess, seconds: float) -> bytes:
    """Return the message of the child process; empty if it dies without one or is killed after `seconds`."""
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    try:
        return reader.recv_bytes(_MAX_MESSAGE_BYTES)
    except (EOFError, OSError):
        return b""
    finally:
        timer.cancel()


def _hide_main_module_from_children() -> None:
    """Keep multiprocessing from importing `__main__` in every child process: a web server takes 1.5 s to import."""
    main = sys.modules["__main__"]
    main.__spec__ = None
    main.__dict__.pop("__file__", None)
