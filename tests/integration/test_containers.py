"""What only containers can show: what is reachable, what a container may do, upgrades and losses under load."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
from cv_stack.settings import ROOT, SERVICES

from tests.integration.deployments import Containers, Deployment, docker
from tests.integration.visitor import Visitor, eventually

OURS = ("gateway", *SERVICES)


@pytest.fixture
def containers(deployment: Deployment) -> Containers:
    if not isinstance(deployment, Containers):
        pytest.skip("needs containers: make test-containers")
    return deployment


def inspected(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


def test_only_the_gateway_is_reached_from_outside(containers: Containers) -> None:
    names = (*OURS, "postgres", "nats")
    bound = {name: [inspected(each)["HostConfig"]["PortBindings"] for each in containers.of(name)] for name in names}
    assert [name for name in names if any(bound[name])] == ["gateway"]


@pytest.mark.parametrize("name", OURS)
def test_a_container_may_do_as_little_as_possible(containers: Containers, name: str) -> None:
    [container] = containers.of(name)
    found = inspected(container)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "service"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0


@pytest.mark.parametrize("name", OURS)
def test_an_image_holds_no_tests_and_no_tools(containers: Containers, name: str) -> None:
    for absent in ("import pip", "import pytest", "import cv_testing", "import cv_stripe_sandbox"):
        with pytest.raises(subprocess.CalledProcessError):
            containers.run("exec", "-T", name, "python", "-c", absent)
    with pytest.raises(subprocess.CalledProcessError):
        containers.run("exec", "-T", name, "sh", "-c", "command -v gcc || command -v cc || command -v make")


def test_only_the_renderer_can_draw(containers: Containers) -> None:
    look = "import ctypes.util, sys; sys.exit(ctypes.util.find_library('pango-1.0') is None)"
    for name in OURS:
        drawn = subprocess.run(
            [*containers.compose.docker_compose_command(), "exec", "-T", name, "python", "-c", look],
            cwd=ROOT, check=False, capture_output=True,
        )  # fmt: skip
        assert (drawn.returncode == 0) is (name == "renderer"), name


def test_a_role_reaches_no_other_database(containers: Containers) -> None:
    look = (
        "import psycopg; from pathlib import Path;"
        " psycopg.connect(Path('/run/secrets/database_url').read_text().rpartition('/')[0] + '/payments')"
    )
    with pytest.raises(subprocess.CalledProcessError) as refused:
        containers.run("exec", "-T", "auth", "python", "-c", look)
    assert "permission denied for database" in refused.value.stderr


def test_nobody_but_who_needs_it_gets_out(containers: Containers) -> None:
    look = "import socket; socket.create_connection(('stripe-sandbox', 8010), timeout=3)"
    for name in SERVICES:
        if name in ("payments", "resumes"):
            containers.run("exec", "-T", name, "python", "-c", look)
        else:
            with pytest.raises(subprocess.CalledProcessError):
                containers.run("exec", "-T", name, "python", "-c", look)


def test_a_service_stops_when_it_is_asked_to(containers: Containers) -> None:
    for name in OURS:
        [container] = containers.of(name)
        containers.run("stop", name)
        assert inspected(container)["State"]["ExitCode"] == 0, name
        containers.bring_up(name)


class Load:
    """Visitors who save and read all the time: what was acknowledged must be read back."""

    def __init__(self) -> None:
        self.done = 0
        self.troubles: list[str] = []

    async def flows(self) -> None:
        """Wait for some more requests."""
        goal = self.done + 50
        await eventually(lambda: self.done >= goal)

    async def visit(self, visitor: Visitor, resume_id: int) -> None:
        """One after the other: something of every service."""
        path, number = f"/api/resumes/{resume_id}/", 0
        while True:
            number += 1
            saved = await self._ask(visitor, "PATCH", path, json={"title": str(number)})
            read = await self._ask(visitor, "GET", path)
            if saved and read and read["title"] != saved["title"]:
                self.troubles.append(f"saved {saved['title']}, read {read['title']}")
            await self._ask(visitor, "GET", "/api/templates/1/")
            await self._ask(visitor, "GET", "/api/auth/profile/")
            await self._ask(visitor, "GET", "/api/payments/")
            if number % 10 == 0:
                await self._ask(visitor, "POST", f"{path}export_pdf/", json={})

    async def _ask(self, visitor: Visitor, method: str, path: str, **options: Any) -> Any:
        try:
            answer = await visitor.request(method, path, **options)
        except httpx.HTTPError as error:
            self.troubles.append(f"{method}: {error!r}")
            return None
        self.done += 1
        if answer.status_code == 200:
            return answer.json()
        self.troubles.append(f"{method}: {answer.status_code} {answer.text}")
        return None


@asynccontextmanager
async def load(deployment: Deployment, visitors: int = 6) -> AsyncIterator[Load]:
    """Load on the deployment for the length of the block, already flowing when it begins."""
    flowing = Load()
    async with AsyncExitStack() as people, asyncio.TaskGroup() as visits:
        tasks = []
        for _ in range(visitors):
            visitor = await people.enter_async_context(Visitor(deployment.public_url))
            user = await visitor.register()
            await visitor.login(user["email"])
            resume = await visitor.write_resume(template=1)
            tasks.append(visits.create_task(flowing.visit(visitor, resume["id"])))
        await flowing.flows()
        yield flowing
        await flowing.flows()
        for task in tasks:
            task.cancel()


async def moved_to(containers: Containers, name: str, tag: str) -> None:
    """Another image of a service takes over: started beside the old one, which then is stopped."""
    [old] = containers.of(name)
    await asyncio.to_thread(containers.add_one, name, tag)
    await asyncio.to_thread(containers.remove, old)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_is_upgraded_and_rolled_back_under_load(containers: Containers, name: str) -> None:
    """The old image is that of the previous commit, so its migrations and calls meet today's others."""
    await asyncio.to_thread(containers.build_previous, name)
    async with load(containers) as flowing:
        await moved_to(containers, name, "previous")
        await moved_to(containers, name, containers.tag)
    assert flowing.troubles == []
    assert flowing.done > 100


@pytest.mark.parametrize("name", ["resumes", "renderer"])
async def test_of_two_one_may_be_lost_under_load(containers: Containers, marie: Visitor, name: str) -> None:
    await asyncio.to_thread(containers.add_one, name, containers.tag)
    resume = await marie.write_resume(template=1)
    async with load(containers) as flowing:
        lost, _ = containers.of(name)
        await asyncio.to_thread(containers.destroy, lost)

        async def exports() -> bool:
            return not (await marie.export(resume["id"]))[0]

        await eventually(exports)
    # What was on its way to the one that died is told to be unavailable; nothing acknowledged is lost.
    refused = ("GET: 503", "PATCH: 503", "PATCH: 504", "POST: 503", "POST: 504")
    assert all(trouble.startswith(refused) for trouble in flowing.troubles)
    assert len(flowing.troubles) <= 12
    assert flowing.done > 100


def test_a_missing_secret_is_a_plain_line(containers: Containers) -> None:
    with pytest.raises(subprocess.CalledProcessError) as ended:
        containers.run("run", "--rm", "--no-deps", "-T", "--env", "SECRETS_DIR=/nowhere", "auth")
    assert "! DATABASE_URL: Field required" in ended.value.stderr
    assert "Traceback" not in ended.value.stderr


@contextmanager
def besides(containers: Containers, name: str, *options: str) -> Iterator[str]:
    """One more container of a service, outside of the deployment, run with these options: its name."""
    other = f"{containers.project}-other"
    containers.run("run", "--detach", "--no-deps", "--name", other, *options, name)
    try:
        yield other
    finally:
        docker("rm", "--force", other)


ASK = """
from http.client import HTTPConnection
connection = HTTPConnection("127.0.0.1", 8000, timeout=10)
connection.request("GET", "{path}")
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


def answer(container: str, path: str) -> str:
    """Status and body of what a container answers; nothing while it does not."""
    try:
        return docker("exec", container, "python", "-c", ASK.format(path=path))
    except subprocess.CalledProcessError:
        return ""


async def is_ill_and_runs(container: str, path: str, with_words: str) -> str:
    """Wait until a container says on `path` what it is ill with; what it has logged, without a crash."""

    async def says_so() -> bool:
        return with_words in await asyncio.to_thread(answer, container, path)

    await eventually(says_so)
    assert answer(container, path).startswith("503")
    state, log = inspected(container)["State"], docker("logs", container)
    assert (state["Running"], state["Restarting"]) == (True, False)
    assert "Traceback" not in log
    return log


async def test_a_wrong_password_is_said_and_is_no_crash_loop(containers: Containers) -> None:
    mistyped = "DATABASE_URL=postgresql://auth:mistyped@postgres:5432/auth"
    with besides(containers, "auth", "--env", mistyped) as other:
        log = await is_ill_and_runs(other, "/readyz", "database")
    assert "password authentication failed" in log
    assert "mistyped" not in log


async def test_a_full_volume_is_said_and_is_no_crash_loop(containers: Containers) -> None:
    volume = f"{containers.project}-full"
    options = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=4k,mode=1777")
    docker("volume", "create", "--driver", "local", *options, volume)
    try:
        with besides(containers, "renderer", "--volume", f"{volume}:/media") as other:
            docker("exec", other, "sh", "-c", "head -c 4096 /dev/zero > /media/last-page || true")
            log = await is_ill_and_runs(other, "/healthz", "files cannot be kept")
    finally:
        docker("volume", "rm", "--force", volume)
    assert "the media store failed" in log
    assert "No space left on device" in log
