"""What keeps a system from starting is told in one line. (That it runs is proved by tests/integration.)"""

import socket
from pathlib import Path

import pytest
from cv_stack.system import CannotStart, DataLock, System
from cv_testing.ports import free_port
from cv_testing.supervisor import discard_output


def free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    while True:
        ports = [free_port() for _ in range(count)]
        if ports[-1] - ports[0] == count - 1:
            return ports[0]


def test_data_in_use_is_left_alone(tmp_path: Path) -> None:
    lock = DataLock(tmp_path)
    lock.acquire()

    with pytest.raises(CannotStart, match="already running"):
        System(tmp_path, discard_output).start()

    lock.release()


def test_a_taken_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    port = free_ports(4)
    with (
        socket.create_server(("127.0.0.1", port)),
        socket.create_server(("127.0.0.1", port + 1)),
        pytest.raises(CannotStart, match=f"port {port} is taken .* make run PORT={port + 3}"),
    ):
        System(tmp_path, discard_output, gateway_port=port, sandbox_port=port + 2).start()

    again = DataLock(tmp_path)
    again.acquire()  # what failed to start holds nothing
    again.release()


def test_one_port_for_two_is_refused(tmp_path: Path) -> None:
    port = free_ports(2)
    with pytest.raises(CannotStart, match=f"PORT and SANDBOX_PORT are both {port}; .* make run PORT={port + 1}"):
        System(tmp_path, discard_output, gateway_port=port, sandbox_port=port).start()


def test_the_data_is_free_again_after_a_system_is_gone(tmp_path: Path) -> None:
    first, second = DataLock(tmp_path), DataLock(tmp_path)
    first.acquire()
    first.release()

    second.acquire()
    second.release()
