"""Where the journeys happen: the embedded stack of `make run`, or containers; both may be crashed part by part."""

import json
import os
import subprocess
from pathlib import Path
from typing import Protocol

from cv_stack.secrets import Secrets
from cv_stack.settings import ROOT
from cv_stack.system import System
from cv_testing.ports import free_port
from testcontainers.compose import DockerCompose

VARIABLE = "CV_DEPLOYMENT"
EMBEDDED, CONTAINERS = "embedded", "containers"


def deployment_kind() -> str:
    """What the environment asks for: `containers`, or `embedded`, which needs no Docker."""
    return os.environ.get(VARIABLE, EMBEDDED)


class Deployment(Protocol):
    """A running system as its visitors and its operator see it."""

    public_url: str
    stripe_url: str
    """The stand-in's pages and knobs."""

    def kill(self, name: str) -> None:
        """Crash one part as kill -9 does; it is started again."""

    def take_down(self, name: str) -> None:
        """Crash one part, and keep it down until `bring_up`."""

    def bring_up(self, name: str) -> None:
        """Start what was taken down; returns when it answers."""

    def stripe_api_key(self) -> str:
        """What the stand-in's API asks for."""

    def stripe_webhook_secret(self) -> str:
        """What webhooks are signed with."""

    def log(self) -> str:
        """What the parts wrote last."""


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
        return ""  # shown already by the fixture that started it


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
            "RATE_LIMITS_ENABLED": "false",  # all visitors of the tests come from one address
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
        # An engine restarts what crashed, and not what it was told to kill: so it is told to start it as well.
        self.run("kill", "--signal", "SIGKILL", name)
        self.run("start", name)

    def take_down(self, name: str) -> None:
        self.run("kill", "--signal", "SIGKILL", name)

    def bring_up(self, name: str) -> None:
        self.run("up", "--detach", "--wait", "--no-deps", "--no-recreate", name)

    def stripe_api_key(self) -> str:
        return self.run("exec", "-T", "payments", "cat", "/run/secrets/stripe_api_key")

    def stripe_webhook_secret(self) -> str:
        said = self.run("exec", "-T", "payments", "cat", "/run/secrets/stripe_webhook_secrets")
        return str(json.loads(said)[0])

    def log(self) -> str:
        return self.run("logs", "--no-color", "--tail", "40")

    def of(self, name: str) -> list[str]:
        """The ids of a service's running containers, the oldest first."""
        ids = self.run("ps", "--quiet", name).split()
        created = [(docker("inspect", "--format", "{{.Created}}", each), each) for each in ids]
        return [each for _, each in sorted(created)]

    def add_one(self, name: str, tag: str) -> None:
        """Start one more container of a service, of the image with this tag; returns when it is healthy."""
        count = len(self.of(name)) + 1
        arguments = ["up", "--detach", "--wait", "--no-deps", "--no-recreate", "--scale", f"{name}={count}", name]
        self.run(*arguments, TAG=tag)

    def remove(self, container: str) -> None:
        """Stop a container as an upgrade does, and forget it."""
        docker("stop", container)
        docker("rm", container)

    def destroy(self, container: str) -> None:
        """Lose a container at once."""
        docker("rm", "--force", container)

    def build_previous(self, name: str) -> None:
        """Build a service's image as of the previous commit, with the tag `previous`."""
        source = subprocess.run(["git", "archive", "HEAD~1"], cwd=ROOT, check=True, capture_output=True).stdout
        command = ["docker", "build", "--quiet", "--tag", f"cv-builder/{name}:previous"]
        subprocess.run(
            [*command, "--file", f"services/{name}/Dockerfile", "-"], input=source, check=True, capture_output=True
        )

    def run(self, *arguments: str, **environment: str) -> str:
        """Run `docker compose` for this system; what it wrote. Raises CalledProcessError."""
        command = [*self.compose.docker_compose_command(), *arguments]
        # What the environment says goes before the file of settings.
        told = {**os.environ, **environment}
        return subprocess.run(command, cwd=ROOT, env=told, check=True, capture_output=True, text=True).stdout


def docker(*arguments: str) -> str:
    """Run `docker`; what it wrote, errors too. Raises CalledProcessError."""
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()
