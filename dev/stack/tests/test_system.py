"""A system that cannot start reports the reason in one line. (tests/integration runs a system.)"""

import socket
from pathlib import Path

import pytest
from cv_stack.system import CannotStart, DataLock, System
from cv_testing.ports import free_port
from cv_testing.supervisor import discard_output


def free_ports(count: int) -> int:
    """Return the first of `count` consecutive free ports."""
    while True:
        ports = [free_port() for _ in range(count)]
        if ports[-1] - ports[0] == count - 1:
            return ports[0]


def test_second_system_on_the_same_data_is_refused(tmp_path: Path) -> None:
    lock = DataLock(tmp_path)
    lock.acquire()

    with pytest.raises(CannotStart, match="already running"):
        System(tmp_path, discard_output).start()

    lock.release()


def test_taken_port_is_reported_with_a_free_one(tmp_path: Path) -> None:
    port = free_ports(4)
    with (
        socket.create_server(("127.0.0.1", port)),
        socket.create_server(("127.0.0.1", port + 1)),
        pytest.raises(CannotStart, match=f"port {port} is taken .* make run PORT={port + 3}"),
    ):
        System(tmp_path, discard_output, gateway_port=port, sandbox_port=port + 2).start()

    again = DataLock(tmp_path)
    again.acquire()  # a failed start releases the lock
    again.release()


def test_same_port_for_gateway_and_sandbox_is_refused(tmp_path: Path) -> None:
    port = free_ports(2)
    with pytest.raises(CannotStart, match=f"PORT and SANDBOX_PORT are both {port}; .* make run PORT={port + 1}"):
        System(tmp_path, discard_output, gateway_port=port, sandbox_port=port).start()


def test_released_lock_can_be_acquired_again(tmp_path: Path) -> None:
    first, second = DataLock(tmp_path), DataLock(tmp_path)
    first.acquire()
    first.release()

    second.acquire()
    second.release()
