"""A request, read from the ASGI scope in one pass over its headers."""

import os
from urllib.parse import quote_from_bytes

from cv_common.kernel.errors import BadRequest
from starlette.types import Receive, Scope, Send

from cv_gateway.client_network import client_network
from cv_gateway.errors import HeadersTooLarge
from cv_gateway.routing import Route
from cv_gateway.settings import TrustedNetworks

Headers = list[tuple[bytes, bytes]]

_PRINTABLE_ASCII = bytes(range(0x21, 0x7F))
_MAX_HEAD_BYTES = 32 * 1024
"""Bytes of header values, path and query: enough for all cookies of a domain."""


class Request:
    """Method, path, headers and client network of one request, and the id that identifies it at every hop."""

    __slots__ = (
        "client_network", "has_unread_body", "headers", "id", "method", "path", "query", "receive", "route", "send"
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send, trusted_proxies: TrustedNetworks) -> None:
        self.id = os.urandom(16).hex()
        self.method: str = scope["method"]
        # Not decoded: the gateway must route the same bytes as the service.
        self.path: str = scope["raw_path"].decode("latin-1")
        query: bytes = scope["query_string"]
        # Non-ASCII bytes are percent-encoded: a service's server may reject them.
        self.query = query if query.isascii() else quote_from_bytes(query, safe=_PRINTABLE_ASCII).encode()
        self.headers = _join_headers(scope["headers"])
        forwarded_for = self.headers.get(b"x-forwarded-for", b"").decode("latin-1")
        self.client_network = client_network(scope["client"][0], forwarded_for, trusted_proxies)
        self.receive = receive
        self.send = send
        self.has_unread_body = self.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self.headers
        self.route: Route | None = None
        """None until the path is routed."""

    def check_head(self) -> None:
        """Raise BadRequest unless there is exactly one Host, HeadersTooLarge for an oversized head.

        Duplicate Host headers indicate request smuggling.
        """
        host = self.headers.get(b"host", b"")
        if not host or b"," in host:
            raise BadRequest("Exactly one Host header is required.")
        if sum(map(len, self.headers.values())) + len(self.path) + len(self.query) > _MAX_HEAD_BYTES:
            raise HeadersTooLarge

    def close(self) -> None:
        """Release the connection.

        The traceback of a stored exception references this request, which would otherwise keep the connection open
        until the garbage collector runs.
        """
        del self.receive, self.send


def _join_headers(pairs: Headers) -> dict[bytes, bytes]:
    """Return the headers by lower-case name; the values of a repeated name are joined (RFC 9110, 5.3)."""
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in headers:
            separator = b"; " if name == b"cookie" else b", "
            headers[name] += separator + value
        else:
            headers[name] = value
    return headers
