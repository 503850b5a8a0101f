"""TCP options that detect a vanished peer within ten seconds, and HTTP connections that use them.

By default TCP retransmits for a quarter of an hour and never probes an idle connection. These options detect a peer
whose packets are lost. Only deadlines and heartbeats of the application detect a peer whose kernel still acknowledges.
"""

import socket
import ssl

import aiohttp

KEEPALIVE_IDLE_SECONDS = 3
"""Seconds of silence before the first probe."""
KEEPALIVE_INTERVAL_SECONDS = 2
KEEPALIVE_PROBES = 2
USER_TIMEOUT_SECONDS = 5
"""Seconds that sent bytes may remain unacknowledged."""
REUSE_SECONDS = 2.0
"""Seconds for which an idle HTTP connection may be reused: after that a vanished peer fails no more requests.
A new connection inside one network costs a fraction of a millisecond."""

Address = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, object]
"""An item of the list that `socket.getaddrinfo` returns."""

# Not every system has every option: macOS lacks TCP_USER_TIMEOUT.
_TCP_OPTIONS = {
    "TCP_KEEPIDLE": KEEPALIVE_IDLE_SECONDS,
    "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_SECONDS,
    "TCP_KEEPCNT": KEEPALIVE_PROBES,
    "TCP_USER_TIMEOUT": USER_TIMEOUT_SECONDS * 1000,
}


def open_socket(address: Address) -> socket.socket:
    """Return a socket for `address` with the options above."""
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_OPTIONS.items():
            if hasattr(socket, name):
                opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except OSError:
        opened.close()
        raise
    return opened


def http_connector(
    limit: int, reuse_seconds: float = REUSE_SECONDS, tls: ssl.SSLContext | bool = True
) -> aiohttp.TCPConnector:
    """Return a pool of at most `limit` HTTP connections (0: unlimited).

    It caches addresses no longer than connections: a container engine gives the address of a stopped container to the
    next one, which may be another service.
    """
    return aiohttp.TCPConnector(
        limit=limit,
        keepalive_timeout=reuse_seconds,
        ttl_dns_cache=int(reuse_seconds),
        ssl=tls,
        socket_factory=open_socket,
    )
