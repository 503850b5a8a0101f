"""What the system consists of: each service's settings and command line, as they would stand in any deployment."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from cv_testing.nats import Nats
from cv_testing.postgres import Postgres
from cv_testing.supervisor import Program, responds

from cv_stack.migrations import is_current
from cv_stack.secrets import Secrets

ROOT = Path(__file__).resolve().parents[4]
SERVICES = ("renderer", "templates", "resumes", "payments", "auth")
"""In the order of who needs whom."""

CALLERS: dict[str, list[str]] = json.loads((ROOT / "deploy" / "callers.json").read_text())
"""Whose identity tokens each service believes."""

_ON_THE_BUS = ("auth", "payments", "resumes", "renderer", "templates")
_WITH_MEDIA = ("templates", "resumes", "renderer")


@dataclass(frozen=True)
class Ports:
    """Where everything listens, on 127.0.0.1. The services reach PostgreSQL and NATS on these ports, which may be
    those of proxies."""

    gateway: int
    gateway_ops: int
    stripe_sandbox: int
    linkedin_sandbox: int
    services: Mapping[str, int]
    postgres: int
    nats: int

    @property
    def stripe_url(self) -> str:
        """Where the stand-in for Stripe is."""
        return f"http://localhost:{self.stripe_sandbox}"

    @property
    def public_url(self) -> str:
        """What a browser opens."""
        return f"http://localhost:{self.gateway}"

    def url(self, service: str) -> str:
        """Where the others reach a service."""
        return f"http://127.0.0.1:{self.services[service]}"


@dataclass(frozen=True)
class Job:
    """Something to run that ends by itself."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    """What it is told, beside what the machine tells every program."""


class StackPrograms:
    """Turns ports, secrets and servers into the programs to run and their settings."""

    def __init__(
        self,
        data: Path,
        ports: Ports,
        secrets: Secrets,
        postgres: Postgres,
        nats: Nats,
        settings: dict[str, str],
    ) -> None:
        self._data = data
        self._ports = ports
        self._secrets = secrets
        self._keys = secrets.identity_keys()
        self._postgres = postgres
        self._nats = nats
        self._settings = settings

    def environment(self, service: str) -> dict[str, str]:
        """The environment of one service: its own database, its own user on the bus, the addresses it calls."""
        database = self._postgres.url(
            service, service, self._secrets.password(f"database {service}"), port=self._ports.postgres
        )
        return (
            {"DATABASE_URL": database, "PUBLIC_BASE_URL": self._ports.public_url}
            | self._keys.environment(service, CALLERS[service])
            | {f"{name.upper()}_URL": self._ports.url(name) for name in SERVICES if service in CALLERS[name]}
            | (self._nats.environment(service, self._ports.nats) if service in _ON_THE_BUS else {})
            | ({"MEDIA_URL": f"file://{quote(str(self._data / 'media' / service))}"} if service in _WITH_MEDIA else {})
            | self._own_settings(service)
            | self._settings
        )  # fmt: skip

    def _own_settings(self, service: str) -> dict[str, str]:
        if service == "auth":
            key = {"kid": "first", "key": self._secrets.signing_key("access token")}
            return {"ACCESS_TOKEN_KEYS": json.dumps([key])}
        if service == "payments":
            origins = ["http://localhost:3000", self._ports.public_url]
            return {
                "STRIPE_API_KEY": self._stripe_api_key,
                "STRIPE_API_BASE": f"http://127.0.0.1:{self._ports.stripe_sandbox}",
                "STRIPE_WEBHOOK_SECRETS": json.dumps([self._stripe_webhook_secret]),
                "CHECKOUT_ALLOWED_ORIGINS": json.dumps(origins),
                "CHECKOUT_PROMOTION_CODES": "true",
            }
        if service == "resumes":
            return {
                "LINKEDIN_SOURCE_URL": f"http://127.0.0.1:{self._ports.linkedin_sandbox}/profiles",
                "LINKEDIN_SOURCE_TOKEN": self._linkedin_token,
            }
        return {}

    def service(self, name: str) -> Program:
        """A service, never reached from outside."""
        port = self._ports.services[name]
        return Program(name, _serve(f"cv_{name}.main:app", port), self.environment(name), _ready(port))

    def gateway(self) -> Program:
        """The only door, and the only one with a published port."""
        environment = (
            {"PUBLIC_BASE_URL": self._ports.public_url, "OPS_PORT": str(self._ports.gateway_ops)}
            | self._keys.environment("gateway", ())
            | {f"{name.upper()}_URL": self._ports.url(name) for name in SERVICES}
            | {
                "SESSION_KEYS": json.dumps([self._secrets.token("session key")]),
                "CORS_ALLOWED_ORIGINS": json.dumps(["http://localhost:3000"]),
            }
            | self._settings
        )
        command = [sys.executable, "-m", "cv_gateway", "--host", "127.0.0.1", "--port", str(self._ports.gateway)]
        return Program("gateway", command, environment, _ready(self._ports.gateway_ops))

    def stripe_sandbox(self) -> Program:
        """The stand-in for Stripe; its pages are opened by the browser."""
        port = self._ports.stripe_sandbox
        environment = {
            "SANDBOX_PORT": str(port),
            "SANDBOX_PUBLIC_URL": self._ports.stripe_url,
            "SANDBOX_API_KEY": self._stripe_api_key,
            "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{self._ports.gateway}/api/payments/webhook/",
            "SANDBOX_WEBHOOK_EVENTS": "checkout.*,customer.subscription.*,invoice.*,charge.*,refund.*",
            "SANDBOX_WEBHOOK_SECRET": self._stripe_webhook_secret,
            "SANDBOX_DATA": str(self._data / "stripe_sandbox"),
            **self._settings,
        }
        return Program("stripe", [sys.executable, "-m", "cv_stripe_sandbox"], environment, _ready(port, "/healthz"))

    def linkedin_sandbox(self) -> Program:
        """The stand-in for a source of LinkedIn profiles."""
        port = self._ports.linkedin_sandbox
        environment = {
            "LINKEDIN_SANDBOX_PORT": str(port),
            "LINKEDIN_SANDBOX_TOKEN": self._linkedin_token,
            **self._settings,
        }
        return Program("linkedin", [sys.executable, "-m", "cv_linkedin_sandbox"], environment, _ready(port, "/healthz"))

    def preparations(self) -> list[Job]:
        """What has to be done before the services start; nothing of it changes anything the second time."""
        setup = Job("payments setup", [_script("cv-payments"), "setup-stripe"], self.environment("payments"))
        return [setup, *(self._migration(service) for service in SERVICES if not self._is_current(service))]

    def template_load(self) -> Job:
        """Puts the catalog into the templates service."""
        load = [_script("cv-templates"), "load", str(ROOT / "services" / "templates" / "catalog")]
        return Job("templates load", load, self.environment("templates"))

    def _migration(self, service: str) -> Job:
        command = [sys.executable, "-m", "alembic", "-c", str(_alembic_ini(service)), "upgrade", "head"]
        return Job(f"{service} migrations", command, self.environment(service))

    def _is_current(self, service: str) -> bool:
        return is_current(_alembic_ini(service), self.environment(service)["DATABASE_URL"])

    @property
    def _stripe_api_key(self) -> str:
        return self._secrets.token("stripe api key", "sk_test_")

    @property
    def _stripe_webhook_secret(self) -> str:
        return self._secrets.token("stripe webhook secret", "whsec_sandbox_")

    @property
    def _linkedin_token(self) -> str:
        return self._secrets.token("linkedin source token")


def _serve(factory: str, port: int) -> list[str]:
    return [sys.executable, "-m", "cv_common.kernel.server", factory, "--port", str(port)]


def _alembic_ini(service: str) -> Path:
    return ROOT / "services" / service / "alembic.ini"


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _ready(port: int, path: str = "/readyz") -> Callable[[], bool]:
    return partial(responds, f"http://127.0.0.1:{port}{path}")
