"""Apps under test: served on a real port, in the event loop of the test."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from unittest import mock

import httpx
import uvicorn
from starlette.types import ASGIApp

from cv_testing.environment import machine_environment


@asynccontextmanager
async def serving(factory: Callable[[], ASGIApp], environment: Mapping[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the app that `factory` creates with only `environment`. Yields an HTTP client for it."""
    with mock.patch.dict(os.environ, {**machine_environment(), **environment}, clear=True), restored_log_handlers():
        app = factory()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="on", timeout_keep_alive=75
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
            raise RuntimeError("the app did not start")
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        await task


@contextmanager
def restored_log_handlers() -> Iterator[None]:
    """Restore the handlers of the root logger after the block, and close the others: they write to a test's stderr."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers


async def eventually(
    condition: Callable[[], object], timeout: float = 60, despite: tuple[type[Exception], ...] = ()
) -> None:
    """Wait until the sync or async `condition` returns a true value. Ignores exceptions of the types in `despite`.

    Raises TimeoutError after `timeout` seconds.
    """
    async with asyncio.timeout(timeout):
        while True:
            with suppress(*despite):
                outcome = condition()
                if await outcome if asyncio.iscoroutine(outcome) else outcome:
                    return
            await asyncio.sleep(0.02)
