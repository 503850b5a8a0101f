"""Free TCP ports for servers that several checkouts may start at the same moment."""

import itertools
import os
import socket

# Below every system's ephemeral range: an outgoing connection can never take the port of a server being restarted.
_FIRST, _COUNT = 20_000, 12_000
# Process ids of one moment are neighbours; the stride sets runs that start together apart.
_candidates = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on, and that this process has not handed out lately."""
    for candidate in _candidates:
        port = _FIRST + candidate % _COUNT
        if is_free(port):
            return port
    raise AssertionError("the candidates never end")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do it: a port whose last connections linger in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
