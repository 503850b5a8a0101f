"""The TCP proxy forwards connections, and silences established ones without closing them."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from cv_testing.ports import free_port
from cv_testing.tcp_proxy import TcpProxy, proxied


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """Return a proxy to a server that echoes lines."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    port = free_port()
    async with await asyncio.start_server(echo, "127.0.0.1", port):
        with proxied(port) as running:
            yield running


async def test_freeze_silences_connections_and_new_ones_work(proxy: TcpProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"before\n")
    assert await reader.readline() == b"before\n"

    assert await asyncio.to_thread(proxy.freeze) == 1
    writer.write(b"after\n")
    with pytest.raises(TimeoutError):  # neither an answer nor an end
        async with asyncio.timeout(0.2):
            await reader.read(1)

    new_reader, new_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    new_writer.write(b"new\n")
    assert await new_reader.readline() == b"new\n"
    for each in (writer, new_writer):
        each.close()


async def test_the_next_freeze_closes_frozen_connections_to_the_server() -> None:
    served: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append((reader, writer))
        writer.write(b"welcome\n")

    port = free_port()
    async with await asyncio.start_server(accept, "127.0.0.1", port):
        with proxied(port) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await reader.readline() == b"welcome\n"
            await asyncio.to_thread(proxy.freeze)
            await asyncio.to_thread(proxy.freeze)
            server_reader, server_writer = served[0]
            async with asyncio.timeout(10):
                assert await server_reader.read() == b""
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await reader.read(1)
            for each in (writer, server_writer):
                each.close()


async def test_closing_is_forwarded_in_both_directions(proxy: TcpProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"last")
    writer.write_eof()

    assert await reader.read() == b"last"
    writer.close()


async def test_a_stopped_proxy_does_not_listen(proxy: TcpProxy) -> None:
    with proxied(proxy.port) as second:
        port = second.port

    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass
