"""A TCP proxy that simulates a vanished peer, as after a dropped route or a failover."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from cv_testing.ports import free_port

Result = TypeVar("Result")

_CHUNK = 64 * 1024


class TcpProxy:
    """Forwards connections from a free port to `target_port` on 127.0.0.1, in its own thread.

    After `freeze` the established connections transfer no byte and stay open; new ones work. The kernel of the proxy
    still acknowledges packets, so only deadlines and heartbeats of the application detect it. The next `freeze` closes
    the frozen connections to the target, as keepalive probes would have done by then. Otherwise a server that is frozen
    several times would run out of connection slots.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._frozen: list[asyncio.StreamWriter] = []
        self._frozen_at_target: list[asyncio.StreamWriter] = []

    def start(self) -> None:
        """Accept connections."""
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        """Close all connections, including frozen ones. Does nothing if the proxy does not run."""
        if not self._thread.is_alive():
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def freeze(self) -> int:
        """Freeze the established connections. Returns their number."""
        return self._call(self._freeze())

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._freeze()
        for writer in self._frozen:
            writer.transport.abort()
        # The transports close their sockets in the loop's next turn.
        await asyncio.sleep(0)

    async def _freeze(self) -> int:
        while self._frozen_at_target:
            self._frozen_at_target.pop().transport.abort()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        return len(links)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None, "asyncio runs the callback of a server in a task"
        self._links.add(link)
        try:
            await self._forward(reader, writer)
        finally:
            self._links.discard(link)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(target_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, target_writer))
                group.create_task(_copy(target_reader, writer))
        except asyncio.CancelledError:
            for each in writers:
                # A paused transport does not read, so it does not see the end of the connection.
                transport = each.transport
                assert isinstance(transport, asyncio.ReadTransport), "the transport of a socket can read"
                with suppress(RuntimeError):  # it is closing
                    transport.pause_reading()
            # Not raised again: asyncio reports a canceled callback as an error.
            self._frozen += writers
            self._frozen_at_target += writers[1:]
        except (OSError, ExceptionGroup):
            for each in writers:
                each.transport.abort()
        else:
            for each in writers:
                each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward bytes until the sender ends its half of the connection."""
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


@contextmanager
def proxied(target_port: int) -> Iterator[TcpProxy]:
    """Run a proxy to a port while the block lasts."""
    proxy = TcpProxy(target_port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
