"""Tests that need containers: reachability, privileges, upgrades and losses under load."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
from cv_stack.settings import PROGRAMS
from cv_testing.workspace import ROOT, SERVICES

from tests.integration.deployments import Containers, Deployment, docker
from tests.integration.visitor import Visitor, eventually


@pytest.fixture
def containers(recovered_deployment: Deployment) -> Containers:
    if not isinstance(recovered_deployment, Containers):
        pytest.skip("needs containers: make test-containers")
    return recovered_deployment


@pytest.fixture
def deployment(containers: Containers) -> Deployment:
    """Return the deployment: each test may disturb it."""
    return containers


def inspect(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


def test_only_the_gateway_publishes_a_port(containers: Containers) -> None:
    names = (*PROGRAMS, "postgres", "nats")
    published = {
        name
        for name in names
        for container in containers.containers_of(name)
        if inspect(container)["HostConfig"]["PortBindings"]
    }
    assert published == {"gateway"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_container_has_minimal_privileges(containers: Containers, name: str) -> None:
    [container] = containers.containers_of(name)
    found = inspect(container)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "service"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_image_contains_no_tests_and_no_compiler(containers: Containers, name: str) -> None:
    for absent in ("import pip", "import pytest", "import cv_testing", "import cv_stripe_sandbox"):
        with pytest.raises(subprocess.CalledProcessError):
            containers.run("exec", "-T", name, "python", "-c", absent)
    with pytest.raises(subprocess.CalledProcessError):
        containers.run("exec", "-T", name, "sh", "-c", "command -v gcc || command -v cc || command -v make")


def test_only_the_renderer_image_contains_pango(containers: Containers) -> None:
    code = "import ctypes.util, sys; sys.exit(ctypes.util.find_library('pango-1.0') is None)"
    for name in PROGRAMS:
        found = subprocess.run(
            [*containers.compose.docker_compose_command(), "exec", "-T", name, "python", "-c", code],
            cwd=ROOT, check=False, capture_output=True,
        )  # fmt: skip
        assert (found.returncode == 0) is (name == "renderer"), name


def test_database_role_cannot_open_another_database(containers: Containers) -> None:
    code = (
        "import psycopg; from pathlib import Path;"
        " psycopg.connect(Path('/run/secrets/database_url').read_text().rpartition('/')[0] + '/payments')"
    )
    with pytest.raises(subprocess.CalledProcessError) as refused:
        containers.run("exec", "-T", "auth", "python", "-c", code)
    assert "permission denied for database" in refused.value.stderr


def test_only_payments_and_resumes_reach_the_internet(containers: Containers) -> None:
    code = "import socket; socket.create_connection(('stripe-sandbox', 8010), timeout=3)"
    for name in SERVICES:
        if name in ("payments", "resumes"):
            containers.run("exec", "-T", name, "python", "-c", code)
        else:
            with pytest.raises(subprocess.CalledProcessError):
                containers.run("exec", "-T", name, "python", "-c", code)


def test_programs_stop_gracefully(containers: Containers) -> None:
    for name in PROGRAMS:
        [container] = containers.containers_of(name)
        containers.run("stop", name)
        assert inspect(container)["State"]["ExitCode"] == 0, name
        containers.bring_up(name)


class Load:
    """Visitors who save and read continuously. Reads must return what was acknowledged."""

    def __init__(self) -> None:
        self.done = 0
        self.problems: list[str] = []

    async def wait_for_requests(self) -> None:
        """Wait for 50 more requests."""
        goal = self.done + 50
        await eventually(lambda: self.done >= goal)

    async def visit(self, visitor: Visitor, resume_id: int) -> None:
        """Send requests to each service in turn."""
        path, number = f"/api/resumes/{resume_id}/", 0
        while True:
            number += 1
            saved = await self._ask(visitor, "PATCH", path, json={"title": str(number)})
            read = await self._ask(visitor, "GET", path)
            if saved and read and read["title"] != saved["title"]:
                self.problems.append(f"saved {saved['title']}, read {read['title']}")
            await self._ask(visitor, "GET", "/api/templates/1/")
            await self._ask(visitor, "GET", "/api/auth/profile/")
            await self._ask(visitor, "GET", "/api/payments/")
            if number % 10 == 0:
                await self._ask(visitor, "POST", f"{path}export_pdf/", json={})

    async def _ask(self, visitor: Visitor, method: str, path: str, **options: Any) -> Any:
        try:
            answer = await visitor.request(method, path, **options)
        except httpx.HTTPError as error:
            self.problems.append(f"{method}: {error!r}")
            return None
        self.done += 1
        if answer.status_code == 200:
            return answer.json()
        self.problems.append(f"{method}: {answer.status_code} {answer.text}")
        return None


@asynccontextmanager
async def load(deployment: Deployment, visitors: int = 6) -> AsyncIterator[Load]:
    """Put load on the deployment during the block."""
    running = Load()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as visits:
        tasks = []
        for _ in range(visitors):
            visitor = await stack.enter_async_context(Visitor(deployment.public_url))
            user = await visitor.register()
            await visitor.login(user["email"])
            resume = await visitor.write_resume(template=1)
            tasks.append(visits.create_task(running.visit(visitor, resume["id"])))
        await running.wait_for_requests()
        yield running
        await running.wait_for_requests()
        for task in tasks:
            task.cancel()


async def replace(containers: Containers, name: str, tag: str) -> None:
    """Start a container of another image of a service, then stop the old container."""
    [old] = containers.containers_of(name)
    await asyncio.to_thread(containers.add_one, name, tag)
    await asyncio.to_thread(containers.remove, old)


@pytest.mark.parametrize("name", SERVICES)
async def test_upgrade_and_rollback_under_load(containers: Containers, name: str) -> None:
    """The old image is that of the previous commit: it works with the current migrations and services."""
    await asyncio.to_thread(containers.build_previous, name)
    async with load(containers) as running:
        await replace(containers, name, "previous")
        await replace(containers, name, containers.tag)
    assert running.problems == []
    assert running.done > 100


@pytest.mark.parametrize("name", ["resumes", "renderer"])
async def test_loss_of_one_of_two_containers_under_load(containers: Containers, marie: Visitor, name: str) -> None:
    await asyncio.to_thread(containers.add_one, name, containers.tag)
    resume = await marie.write_resume(template=1)
    async with load(containers) as running:
        lost, _ = containers.containers_of(name)
        await asyncio.to_thread(containers.destroy, lost)

        async def exports() -> bool:
            return not (await marie.export(resume["id"]))[0]

        await eventually(exports)
    # Requests in flight to the lost container are answered as unavailable; nothing acknowledged is lost.
    refused = ("GET: 503", "PATCH: 503", "PATCH: 504", "POST: 503", "POST: 504")
    assert all(problem.startswith(refused) for problem in running.problems)
    assert len(running.problems) <= 12
    assert running.done > 100


def test_missing_secret_is_reported_in_one_line(containers: Containers) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        containers.run("run", "--rm", "--no-deps", "-T", "--env", "SECRETS_DIR=/nowhere", "auth")
    assert "! DATABASE_URL: Field required" in failed.value.stderr
    assert "Traceback" not in failed.value.stderr


@contextmanager
def extra_container(containers: Containers, name: str, *options: str) -> Iterator[str]:
    """Run one more container of a service with these options, outside of the deployment. Yields its name."""
    other = f"{containers.project}-other"
    containers.run("run", "--detach", "--no-deps", "--name", other, *options, name)
    try:
        yield other
    finally:
        docker("rm", "--force", other)


REQUEST = """
from http.client import HTTPConnection
connection = HTTPConnection("127.0.0.1", 8000, timeout=10)
connection.request("GET", "{path}")
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


def request(container: str, path: str) -> str:
    """Return the status and body of a response from inside a container; empty if it does not answer."""
    try:
        return docker("exec", container, "python", "-c", REQUEST.format(path=path))
    except subprocess.CalledProcessError:
        return ""


async def unhealthy_log(container: str, path: str, problem: str) -> str:
    """Wait until a container reports a problem on `path`, without a crash. Returns its log."""

    async def reports() -> bool:
        return problem in await asyncio.to_thread(request, container, path)

    await eventually(reports)
    assert request(container, path).startswith("503")
    state, log = inspect(container)["State"], docker("logs", container)
    assert (state["Running"], state["Restarting"]) == (True, False)
    assert "Traceback" not in log
    return log


async def test_wrong_database_password_is_reported_without_a_crash(containers: Containers) -> None:
    mistyped = "DATABASE_URL=postgresql://auth:mistyped@postgres:5432/auth"
    with extra_container(containers, "auth", "--env", mistyped) as other:
        log = await unhealthy_log(other, "/readyz", "database")
    assert "password authentication failed" in log
    assert "mistyped" not in log


async def test_full_volume_is_reported_without_a_crash(containers: Containers) -> None:
    volume = f"{containers.project}-full"
    options = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=4k,mode=1777")
    docker("volume", "create", "--driver", "local", *options, volume)
    try:
        with extra_container(containers, "renderer", "--volume", f"{volume}:/media") as other:
            docker("exec", other, "sh", "-c", "head -c 4096 /dev/zero > /media/last-page || true")
            log = await unhealthy_log(other, "/healthz", "files cannot be written")
    finally:
        docker("volume", "rm", "--force", volume)
    assert "the media store failed" in log
    assert "No space left on device" in log
