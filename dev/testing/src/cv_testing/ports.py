"""Free TCP ports. Several test processes and checkouts may allocate ports at the same time."""

import fcntl
import itertools
import os
import socket
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

# Below the ephemeral range: no outgoing connection takes the port of a server that restarts.
_FIRST, _COUNT = 20_000, 12_000
# Concurrent runs have neighboring process ids. The factor separates their candidates.
_candidates = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """Return a free port on 127.0.0.1, reserved for this process until it ends."""
    for candidate in _candidates:
        port = _FIRST + candidate % _COUNT
        if _reserve(port) and is_free(port):
            return port
    raise AssertionError("the candidates never end")


def _reserve(port: int) -> bool:
    """Reserve a port, so that no other process gets it before the server of this one listens."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _reservations() -> int:
    """Open the file of reservations, shared by all users: a process locks the byte at the number of its port."""
    file = Path(tempfile.gettempdir()) / "cv-builder-ports"
    with tempfile.NamedTemporaryFile(dir=file.parent) as made, suppress(FileExistsError):
        os.fchmod(made.fileno(), 0o666)
        os.link(made.name, file)
    return os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)


def is_free(port: int) -> bool:
    """Return whether a server can listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        # Servers set this option too, so a port with connections in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
