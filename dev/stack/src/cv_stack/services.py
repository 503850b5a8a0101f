"""The programs of the system: the settings and the command line of each service, as in any other deployment."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from cv_common.kernel.settings import MediaSettings, NatsSettings
from cv_testing.nats import Nats
from cv_testing.postgres import Postgres
from cv_testing.supervisor import Program, responds
from cv_testing.workspace import ROOT, SERVICES

from cv_stack.migrations import is_current
from cv_stack.secrets import Secrets
from cv_stack.settings import select, select_for_sandboxes, settings_class

CALLERS: dict[str, list[str]] = json.loads((ROOT / "deploy" / "callers.json").read_text())
"""By service: the issuers whose identity tokens it accepts."""


@dataclass(frozen=True)
class Ports:
    """The ports of all programs on 127.0.0.1. `postgres` and `nats` may be the ports of proxies in front of them."""

    gateway: int
    gateway_ops: int
    stripe_sandbox: int
    linkedin_sandbox: int
    services: Mapping[str, int]
    postgres: int
    nats: int

    @property
    def stripe_url(self) -> str:
        """The URL of the Stripe sandbox."""
        return f"http://localhost:{self.stripe_sandbox}"

    @property
    def public_url(self) -> str:
        """The URL of the gateway, for browsers."""
        return f"http://localhost:{self.gateway}"

    def url(self, service: str) -> str:
        """Return the URL of a service, for other services."""
        return f"http://127.0.0.1:{self.services[service]}"


@dataclass(frozen=True)
class Job:
    """A command that runs to its end."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    """Variables added to `machine_environment()`."""


class StackPrograms:
    """Builds the programs and their settings from ports, secrets and servers.

    `settings` override what the stack sets; each program gets those that it reads.
    """

    def __init__(
        self,
        data: Path,
        ports: Ports,
        secrets: Secrets,
        postgres: Postgres,
        nats: Nats,
        settings: Mapping[str, str],
    ) -> None:
        self._data = data
        self._ports = ports
        self._secrets = secrets
        self._keys = secrets.identity_keys()
        self._postgres = postgres
        self._nats = nats
        self._settings = settings

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of one service: its database, its NATS user, the URLs of the services it calls."""
        database = self._postgres.url(
            service, service, self._secrets.password(f"database {service}"), port=self._ports.postgres
        )
        return (
            {"DATABASE_URL": database, "PUBLIC_BASE_URL": self._ports.public_url}
            | self._keys.environment(service, CALLERS[service])
            | {f"{name.upper()}_URL": self._ports.url(name) for name in SERVICES if service in CALLERS[name]}
            | (self._nats.environment(service, self._ports.nats) if _has(service, NatsSettings) else {})
            | ({"MEDIA_URL": self._media_url(service)} if _has(service, MediaSettings) else {})
            | self._own_settings(service)
            | select(service, self._settings)
        )  # fmt: skip

    def _media_url(self, service: str) -> str:
        return f"file://{quote(str(self._data / 'media' / service))}"

    def _own_settings(self, service: str) -> dict[str, str]:
        if service == "auth":
            key = {"kid": "first", "key": self._secrets.signing_key("access token")}
            return {"ACCESS_TOKEN_KEYS": json.dumps([key])}
        if service == "payments":
            origins = ["http://localhost:3000", self._ports.public_url]
            checkout = {"CHECKOUT_ALLOWED_ORIGINS": json.dumps(origins), "CHECKOUT_PROMOTION_CODES": "true"}
            return checkout | ({} if self._settings.get("STRIPE_API_KEY") else self._sandbox_account())
        if service == "resumes" and not self._settings.get("LINKEDIN_SOURCE_URL"):
            return {
                "LINKEDIN_SOURCE_URL": f"http://127.0.0.1:{self._ports.linkedin_sandbox}/profiles",
                "LINKEDIN_SOURCE_TOKEN": self._linkedin_token,
            }
        return {}

    def _sandbox_account(self) -> dict[str, str]:
        return {
            "STRIPE_API_KEY": self._stripe_api_key,
            "STRIPE_API_BASE": f"http://127.0.0.1:{self._ports.stripe_sandbox}",
            "STRIPE_WEBHOOK_SECRETS": json.dumps([self._stripe_webhook_secret]),
        }

    def service(self, name: str) -> Program:
        """Return a service; it is not reachable from outside."""
        port = self._ports.services[name]
        return Program(name, _serve(f"cv_{name}.main:app", port), self.environment(name), _ready(port))

    def gateway(self) -> Program:
        """Return the gateway: the only program with a published port."""
        command = [sys.executable, "-m", "cv_gateway", "--host", "127.0.0.1", "--port", str(self._ports.gateway)]
        return Program("gateway", command, self.gateway_environment(), _ready(self._ports.gateway_ops))

    def gateway_environment(self) -> dict[str, str]:
        """Return the environment of the gateway. Pages on any port of localhost may call it."""
        return (
            {"PUBLIC_BASE_URL": self._ports.public_url, "OPS_PORT": str(self._ports.gateway_ops)}
            | self._keys.environment("gateway", ())
            | {f"{name.upper()}_URL": self._ports.url(name) for name in SERVICES}
            | {
                "SESSION_KEYS": json.dumps([self._secrets.token("session key")]),
                "CORS_ALLOWED_ORIGINS": json.dumps(["http://localhost:3000"]),
                "CORS_ALLOW_LOCALHOST": "true",
            }
            | select("gateway", self._settings)
        )

    def stripe_sandbox(self) -> Program:
        """Return the Stripe sandbox; browsers open its pages."""
        port = self._ports.stripe_sandbox
        environment = {
            "SANDBOX_PORT": str(port),
            "SANDBOX_PUBLIC_URL": self._ports.stripe_url,
            "SANDBOX_API_KEY": self._stripe_api_key,
            "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{self._ports.gateway}/api/payments/webhook/",
            "SANDBOX_WEBHOOK_EVENTS": "checkout.*,customer.subscription.*,invoice.*,charge.*,refund.*",
            "SANDBOX_WEBHOOK_SECRET": self._stripe_webhook_secret,
            "SANDBOX_DATA": str(self._data / "stripe_sandbox"),
            **select_for_sandboxes(self._settings),
        }
        return Program("stripe", [sys.executable, "-m", "cv_stripe_sandbox"], environment, _ready(port, "/healthz"))

    def linkedin_sandbox(self) -> Program:
        """Return the LinkedIn sandbox, a source of profiles."""
        port = self._ports.linkedin_sandbox
        environment = {
            "LINKEDIN_SANDBOX_PORT": str(port),
            "LINKEDIN_SANDBOX_TOKEN": self._linkedin_token,
            **select_for_sandboxes(self._settings),
        }
        return Program("linkedin", [sys.executable, "-m", "cv_linkedin_sandbox"], environment, _ready(port, "/healthz"))

    def preparations(self) -> list[Job]:
        """Return the jobs to run before the services start. They are idempotent."""
        setup = Job("payments setup", [_script("cv-payments"), "setup-stripe"], self.environment("payments"))
        urls = {service: self.environment(service)["DATABASE_URL"] for service in SERVICES}
        outdated = {service: url for service, url in urls.items() if not is_current(service, url)}
        command = [sys.executable, "-m", "cv_stack.migrations"]
        return [setup, *([Job("migrations", command, {"DATABASE_URLS": json.dumps(outdated)})] if outdated else [])]

    def template_load(self) -> Job:
        """Return the job that loads the catalog into the templates service."""
        load = [_script("cv-templates"), "load", str(ROOT / "services" / "templates" / "catalog")]
        return Job("templates load", load, self.environment("templates"))

    @property
    def _stripe_api_key(self) -> str:
        return self._secrets.token("stripe api key", "sk_test_")

    @property
    def _stripe_webhook_secret(self) -> str:
        return self._secrets.token("stripe webhook secret", "whsec_sandbox_")

    @property
    def _linkedin_token(self) -> str:
        return self._secrets.token("linkedin source token")


def _has(service: str, group: type[NatsSettings | MediaSettings]) -> bool:
    """Return whether the settings of a service include a group."""
    return issubclass(settings_class(service), group)


def _serve(factory: str, port: int) -> list[str]:
    return [sys.executable, "-m", "cv_common.kernel.server", factory, "--port", str(port)]


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _ready(port: int, path: str = "/readyz") -> Callable[[], bool]:
    return partial(responds, f"http://127.0.0.1:{port}{path}")
