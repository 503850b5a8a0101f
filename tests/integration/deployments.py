"""The deployments under test: the embedded stack of `make run`, or containers. Tests crash their programs by name."""

import json
import os
import subprocess
from pathlib import Path
from typing import Protocol

from cv_stack.secrets import Secrets
from cv_stack.system import System
from cv_testing.ports import free_port
from cv_testing.workspace import ROOT
from testcontainers.compose import DockerCompose

VARIABLE = "CV_DEPLOYMENT"
EMBEDDED, CONTAINERS = "embedded", "containers"


def deployment_kind() -> str:
    """`containers` or `embedded`, from the environment; `embedded` is the default and needs no Docker."""
    return os.environ.get(VARIABLE, EMBEDDED)


class Deployment(Protocol):
    """A running system from the outside."""

    public_url: str
    stripe_url: str
    """The Stripe sandbox: its pages and controls."""

    def kill(self, name: str) -> None:
        """Crash one program with SIGKILL; it restarts."""

    def take_down(self, name: str) -> None:
        """Crash one program with SIGKILL, without a restart until `bring_up`."""

    def bring_up(self, name: str) -> None:
        """Start a program that was taken down and wait until it is ready."""

    def stripe_api_key(self) -> str:
        """Return the API key of the sandbox."""

    def stripe_webhook_secret(self) -> str:
        """Return the secret that signs webhooks."""

    def log(self) -> str:
        """Return the last log lines."""


class Embedded:
    """A system of processes."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.public_url = system.ports.public_url
        self.stripe_url = system.ports.stripe_url

    def kill(self, name: str) -> None:
        self._system.kill(name)

    def take_down(self, name: str) -> None:
        self._system.take_down(name)

    def bring_up(self, name: str) -> None:
        self._system.bring_up(name)

    def stripe_api_key(self) -> str:
        return Secrets(self._system.data / "secrets.json").token("stripe api key", "sk_test_")

    def stripe_webhook_secret(self) -> str:
        return Secrets(self._system.data / "secrets.json").token("stripe webhook secret", "whsec_sandbox_")

    def log(self) -> str:
        return ""  # tests/conftest.py reports it


class Containers:
    """A system of containers, as `docker compose --profile dev up --build --wait` starts it, with its own volumes."""

    tag = "test"

    def __init__(self, folder: Path, **settings: str) -> None:
        gateway, stripe = free_port(), free_port()
        self.public_url, self.stripe_url = f"http://localhost:{gateway}", f"http://localhost:{stripe}"
        self.project = f"cv-builder-{gateway}"
        file = folder / "containers.env"
        values = {
            "COMPOSE_PROJECT_NAME": self.project,
            "TAG": self.tag,
            "PORT": str(gateway),
            "SANDBOX_PORT": str(stripe),
            "RATE_LIMITS_ENABLED": "false",  # all tests have one network address
            **settings,
        }
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        self.compose = DockerCompose(ROOT, build=True, wait=True, env_file=str(file), profiles=["dev"])

    def start(self) -> None:
        """Build the images, start everything, and wait until all is healthy."""
        self.compose.start()

    def stop(self) -> None:
        """Remove containers, networks and volumes."""
        self.compose.stop()

    def kill(self, name: str) -> None:
        # Docker restarts a crashed container, but not one that it was told to kill.
        self.run("kill", "--signal", "SIGKILL", name)
        self.run("start", name)

    def take_down(self, name: str) -> None:
        self.run("kill", "--signal", "SIGKILL", name)

    def bring_up(self, name: str) -> None:
        self.run("up", "--detach", "--wait", "--no-deps", "--no-recreate", name)

    def stripe_api_key(self) -> str:
        return self.run("exec", "-T", "payments", "cat", "/run/secrets/stripe_api_key")

    def stripe_webhook_secret(self) -> str:
        secrets = self.run("exec", "-T", "payments", "cat", "/run/secrets/stripe_webhook_secrets")
        return str(json.loads(secrets)[0])

    def log(self) -> str:
        return self.run("logs", "--no-color", "--tail", "40")

    def containers_of(self, name: str) -> list[str]:
        """Return the ids of a service's running containers, oldest first."""
        ids = self.run("ps", "--quiet", name).split()
        created = [(docker("inspect", "--format", "{{.Created}}", each), each) for each in ids]
        return [each for _, each in sorted(created)]

    def add_one(self, name: str, tag: str) -> None:
        """Start one more container of a service from the image with this tag and wait until it is healthy."""
        count = len(self.containers_of(name)) + 1
        arguments = ["up", "--detach", "--wait", "--no-deps", "--no-recreate", "--scale", f"{name}={count}", name]
        self.run(*arguments, TAG=tag)

    def remove(self, container: str) -> None:
        """Stop and remove a container, as an upgrade does."""
        docker("stop", container)
        docker("rm", container)

    def destroy(self, container: str) -> None:
        """Remove a container without stopping it."""
        docker("rm", "--force", container)

    def build_previous(self, name: str) -> None:
        """Build a service's image from the previous commit, with the tag `previous`."""
        source = subprocess.run(["git", "archive", "HEAD~1"], cwd=ROOT, check=True, capture_output=True).stdout
        command = ["docker", "build", "--quiet", "--tag", f"cv-builder/{name}:previous"]
        subprocess.run(
            [*command, "--file", f"services/{name}/Dockerfile", "-"], input=source, check=True, capture_output=True
        )

    def run(self, *arguments: str, **environment: str) -> str:
        """Run `docker compose` for this system. Returns its output. Raises CalledProcessError."""
        command = [*self.compose.docker_compose_command(), *arguments]
        # Variables of the environment override the env file.
        variables = {**os.environ, **environment}
        return subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True).stdout


def docker(*arguments: str) -> str:
    """Run `docker`. Returns its output and errors. Raises CalledProcessError."""
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()
