"""Allocation of free ports."""

import socket
import subprocess
import sys

from cv_testing.ports import free_port, is_free


def test_ports_are_unique() -> None:
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == 50


def test_a_port_in_use_is_not_free() -> None:
    port = free_port()
    assert is_free(port)

    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_processes_get_different_ports() -> None:
    port = free_port()
    asking = f"""
import itertools
from cv_testing import ports
ports._candidates = itertools.count({port} - ports._FIRST)
print(ports.free_port())
"""
    told = subprocess.run([sys.executable, "-c", asking], check=True, capture_output=True, text=True).stdout
    assert int(told) > port
