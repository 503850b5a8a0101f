"""Free TCP ports for servers that several checkouts may start at the same moment."""

import fcntl
import itertools
import os
import socket
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

# Below every system's ephemeral range: an outgoing connection can never take the port of a server being restarted.
_FIRST, _COUNT = 20_000, 12_000
# Process ids of one moment are neighbours; the stride sets runs that start together apart.
_candidates = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on, and that is this process's own until it ends."""
    for candidate in _candidates:
        port = _FIRST + candidate % _COUNT
        if _reserve(port) and is_free(port):
            return port
    raise AssertionError("the candidates never end")


def _reserve(port: int) -> bool:
    """Keep other processes that ask here from getting the port between our asking and our server's listening."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _reservations() -> int:
    """A file in which the byte at a port's number is locked by the process that has the port, whoever runs it."""
    file = Path(tempfile.gettempdir()) / "cv-builder-ports"
    with tempfile.NamedTemporaryFile(dir=file.parent) as made, suppress(FileExistsError):
        os.fchmod(made.fileno(), 0o666)
        os.link(made.name, file)
    return os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)


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
