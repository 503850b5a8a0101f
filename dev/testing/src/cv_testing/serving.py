"""A service under test: its real app on a real port, in the test's own event loop."""

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
    """A client of the app that `factory` makes from `environment` alone; its parts run until the block ends."""
    with mock.patch.dict(os.environ, {**machine_environment(), **environment}, clear=True), _own_logging():
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
def _own_logging() -> Iterator[None]:
    """Log records go on going to the test's own handlers: the app's would write to a stream that ends with a test."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers


async def eventually(
    condition: Callable[[], object], timeout: float = 60, despite: tuple[type[Exception], ...] = ()
) -> None:
    """Wait until the (sync or async) `condition` holds; that it raises one of `despite` is not the end.

    Raises TimeoutError after `within` seconds.
    """
    async with asyncio.timeout(timeout):
        while True:
            with suppress(*despite):
                outcome = condition()
                if await outcome if asyncio.iscoroutine(outcome) else outcome:
                    return
            await asyncio.sleep(0.02)
