"""The pool: jobs rendered in children of a forkserver, as many at a time as there are cores, the others in a queue.

The forkserver is a process of its own, so nothing is ever forked from the web process and its threads. A child that
takes too long is killed; one that dies for another reason gets a second try. Nothing is written to disk here.

Processor time and memory are used up by the document, which is refused; only the wall clock depends on the machine.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.util import get_temp_dir
from typing import Any

from cv_renderer.domain.jobs import Job
from cv_renderer.engine import typefaces, worker
from cv_renderer.engine.errors import EngineBusy, EngineFailed, Refused
from cv_renderer.engine.version import engine_version
from cv_renderer.engine.worker import Limits, Output

log = logging.getLogger(__name__)

_PRELOAD = "cv_renderer.engine.preload"
_START_SECONDS = 60
_TRIES = 2
_CRASHES = frozenset(-number for number in (signal.SIGABRT, signal.SIGBUS, signal.SIGSEGV, signal.SIGTRAP))
"""How a child ends when a library of C gets no more memory."""
_LONGEST_MESSAGE = 64 * 1024**2


class Pool:
    """Renders jobs. `workers` at a time, at most `queue` more waiting, none of them longer than `patience` seconds."""

    name = "rendering engine"

    def __init__(
        self,
        *,
        workers: int | None = None,
        queue: int = 20,
        patience: float = 10,
        limits: Limits | None = None,
    ) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._queue = queue
        self._patience = patience
        self._limits = limits or Limits()
        self._children = _Children()
        self._threads = ThreadPoolExecutor(self._workers, "render")
        self._slots = asyncio.Semaphore(self._workers)
        self._waiting = 0
        self._problem: str | None = "the rendering engine is not started"
        self.version = ""
        """Changes whenever the same job may look different."""

    async def start(self) -> None:
        """Warm the forkserver and make sure that it is fit. Raises EngineFailed."""
        _keep_main_out_of_children()
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self.probe)
        log.info("rendering engine warmed", extra=found)
        if not found["is_warm"]:
            raise EngineFailed("the rendering engine could not be warmed")
        if not found["subsets_fonts"]:
            raise EngineFailed("harfbuzz-subset is missing: install libharfbuzz-subset0 (Debian) or harfbuzz")
        self.version = engine_version(str(found["weasyprint"]), str(found["pango"]), *typefaces.versions())
        self._problem = None

    async def stop(self) -> None:
        """Wait for the jobs under way; the forkserver ends with this process."""
        self._problem = "the rendering engine is stopping"
        await asyncio.to_thread(self._threads.shutdown)

    async def check(self) -> str | None:
        return self._problem

    async def render(self, job: Job, output: Output = Output.PDF) -> bytes:
        """The job's file. Raises Refused, EngineBusy or EngineFailed."""
        await self._take_slot()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._render, job, output)
        finally:
            self._slots.release()

    async def _take_slot(self) -> None:
        if self._slots.locked() and self._waiting >= self._queue:
            raise EngineBusy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._slots.acquire()
        except TimeoutError:
            raise EngineBusy from None
        finally:
            self._waiting -= 1

    def _render(self, job: Job, output: Output) -> bytes:
        for _ in range(_TRIES):
            end = self._children.run(worker.run, (self._limits, job, output), self._limits.wall_seconds)
            self._problem = None if end.started else "the rendering engine cannot be started"
            if end.message[:1] == worker.DONE:
                return end.message[1:]
            if end.message[:1] == worker.REFUSED:
                raise Refused(end.message[1:].decode())
            if end.message[:1] == worker.BROKEN:
                log.error("a renderer met a bug", extra={"exception": end.message[1:].decode()})
                break
            if end.exit_code == -signal.SIGXCPU:
                raise Refused(worker.TOO_COMPLEX)
            if end.took_too_long:
                raise EngineFailed("The document takes too long to render.")
            log.warning("a renderer died", extra={"exit_code": end.exit_code})
        if end.exit_code in _CRASHES:
            raise Refused(worker.TOO_COMPLEX)
        raise EngineFailed("The document could not be rendered.")

    def probe(self) -> dict[str, Any]:
        """What a child says of itself. Raises EngineFailed."""
        end = self._children.run(worker.probe, (), _START_SECONDS)
        if not end.message:
            raise EngineFailed("the rendering engine does not start; is pango installed? What it said is above")
        found: dict[str, Any] = json.loads(end.message)
        return found

    def running(self) -> set[int]:
        """The ids of the processes that render at this moment."""
        return self._children.running.copy()


@dataclass(frozen=True, slots=True)
class _End:
    """How a child ended: what it said, if anything, and its exit code."""

    message: bytes
    exit_code: int | None
    took_too_long: bool
    started: bool = True


class _Children:
    """Starts children and waits for their one message. Safe to use from several threads."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_PRELOAD])
        # multiprocessing looks after all children whenever one starts: threads must not do that at the same time.
        self._lock = threading.Lock()
        self.running: set[int] = set()

    def run(self, target: Any, arguments: tuple[Any, ...], seconds: float) -> _End:
        """Run `target(outlet, *arguments)` in a child, for so many seconds at most."""
        inlet, outlet = self._context.Pipe(duplex=False)
        child = self._context.Process(target=target, args=(outlet, *arguments), daemon=True)
        began = time.monotonic()
        with inlet:
            try:
                self._begin(child)
            except (OSError, EOFError) as error:  # the forkserver is gone; the next start brings a new one
                log.warning("a renderer could not be started", extra={"error": type(error).__name__})
                return _End(b"", None, took_too_long=False, started=False)
            finally:
                outlet.close()
            message = _receive(inlet, child, seconds)
        exit_code = self._bury(child)
        return _End(message, exit_code, took_too_long=time.monotonic() - began >= seconds)

    def _begin(self, child: ForkServerProcess) -> None:
        with self._lock:
            # For the forkserver, if this starts one: it may be killed with us, while we clear up this folder at exit.
            os.environ[worker.FOLDER] = get_temp_dir()
            child.start()
            self.running.add(child.pid or 0)

    def _bury(self, child: ForkServerProcess) -> int | None:
        """End a child that has said what it had to say, or has had its time."""
        with self._lock:
            child.kill()
            child.join()
            self.running.discard(child.pid or 0)
            exit_code = child.exitcode
            child.close()
        return exit_code


def _receive(inlet: Connection, child: ForkServerProcess, seconds: float) -> bytes:
    """The child's message; empty if it died without one, or had to be killed when its time was over."""
    clock = threading.Timer(seconds, child.kill)
    clock.start()
    try:
        return inlet.recv_bytes(_LONGEST_MESSAGE)
    except (EOFError, OSError):
        return b""
    finally:
        clock.cancel()


def _keep_main_out_of_children() -> None:
    """Every child would import the program that runs us again (1.5 s for a web server) unless it cannot be found."""
    main = sys.modules["__main__"]
    main.__spec__ = None
    main.__dict__.pop("__file__", None)
