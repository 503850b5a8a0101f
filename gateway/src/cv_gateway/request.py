"""A request as the gateway needs it: read once from the ASGI scope, in one pass over its headers."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote_from_bytes

from cv_common.kernel.errors import BadRequest

from cv_gateway.errors import HeadersTooLarge
from cv_gateway.routing import Route

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_VISIBLE = bytes(range(0x21, 0x7F))
_LONGEST_HEAD = 32 * 1024
"""Bytes of header values, query and path: room for the cookies of a whole domain, not for filling buffers."""


class Request:
    """Method, path and headers of one request, and the id it is followed by through every hop."""

    __slots__ = ("headers", "id", "method", "path", "peer", "query", "receive", "route", "send", "unread")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.id = os.urandom(16).hex()
        self.method: str = scope["method"]
        # As sent, not decoded: what is routed here must be what the service routes, byte for byte.
        self.path: str = scope["raw_path"].decode("latin-1")
        self.query: bytes = _ascii(scope["query_string"])
        self.headers = _joined(scope["headers"])
        self.peer: str = scope["client"][0]
        """The address of whoever holds the other end of the connection."""
        self.receive = receive
        self.send = send
        self.unread = self.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self.headers
        """Whether some of its body has not arrived yet, as far as anybody looked."""
        self.route: Route | None = None
        """Where it goes, once that is known."""

    def check_head(self) -> None:
        """Raise BadRequest unless exactly one Host came, HeadersTooLarge if the head is a load in itself.

        Two Hosts mean that somebody on the way was to be fooled.
        """
        host = self.headers.get(b"host", b"")
        if not host or b"," in host:
            raise BadRequest("Exactly one Host header is required.")
        if sum(map(len, self.headers.values())) + len(self.path) + len(self.query) > _LONGEST_HEAD:
            raise HeadersTooLarge

    def close(self) -> None:
        """Let go of the connection.

        An error that somebody keeps (its traceback holds every frame it came through) would otherwise keep the
        connection open until the garbage collector finds it.
        """
        self.receive = _closed
        self.send = _closed


def _ascii(sent: bytes) -> bytes:
    """Other bytes than ASCII percent-encoded, as they should have been: a service's server may refuse them."""
    return sent if sent.isascii() else quote_from_bytes(sent, safe=_VISIBLE).encode()


async def _closed(*_: Message) -> Any:
    raise RuntimeError("the request is over")


def _joined(pairs: Headers) -> dict[bytes, bytes]:
    """Headers by lower-case name; a name that comes twice has its values joined, as HTTP reads it."""
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in headers:
            separator = b"; " if name == b"cookie" else b", "
            headers[name] += separator + value
        else:
            headers[name] = value
    return headers
