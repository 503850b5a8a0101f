"""The deployment under test, started once."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator

import httpx
import pytest

from tests.integration.deployments import CONTAINERS, Containers, Deployment, Embedded, deployment_kind
from tests.integration.visitor import TLS, Visitor, eventually


@pytest.fixture(scope="session")
def started_deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Yield the deployment, once for the whole run."""
    if deployment_kind() != CONTAINERS:
        yield Embedded(request.getfixturevalue("started_system"))
        return
    containers = Containers(tmp_path_factory.mktemp("containers"))
    try:
        containers.start()
        yield containers
    finally:
        containers.stop()


@pytest.fixture(scope="module")
async def deployment(started_deployment: Deployment) -> Deployment:
    """Return the deployment, after it has recovered from the previous module."""
    await recovery(started_deployment)
    return started_deployment


@pytest.fixture
async def recovered_deployment(started_deployment: Deployment) -> Deployment:
    """Return the deployment, after it has recovered from the previous test."""
    await recovery(started_deployment)
    return started_deployment


async def recovery(deployment: Deployment) -> None:
    """Wait until every service answers."""
    reads = ("/api/templates/", "/api/resumes/", "/api/payments/")

    async def is_ready() -> bool:
        async with httpx.AsyncClient(base_url=deployment.public_url, timeout=30, verify=TLS) as client:
            answers = await asyncio.gather(
                *(client.get(path) for path in reads),
                client.post("/api/auth/login/", json={"email": "nobody@example.com", "password": "x"}),
                client.get("/media/resumes/pdfs/none/none.pdf"),
            )
        return [answer.status_code for answer in answers] == [200, 200, 200, 401, 404]

    await eventually(is_ready)


@pytest.fixture
async def marie(deployment: Deployment) -> AsyncIterator[Visitor]:
    """Yield a new visitor without a session."""
    async with Visitor(deployment.public_url) as visitor:
        yield visitor


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the log of the containers to the report of a failure."""
    report = yield
    deployment = getattr(item, "funcargs", {}).get("started_deployment")
    if report.failed and deployment is not None and (log := deployment.log()):
        report.sections.append(("log of the containers", log))
    return report
