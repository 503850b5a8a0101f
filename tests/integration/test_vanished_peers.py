"""Established connections to PostgreSQL or NATS go silent without being closed; new connections work.

These tests show that nothing is lost. `libs/common/tests/messaging/test_broker.py` checks the client settings that
detect a silent NATS within seconds; without them recovery takes half a minute.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from cv_stack.system import System

from tests.conftest import running_system
from tests.integration.visitor import Visitor, eventually

pytestmark = pytest.mark.operations


@pytest.fixture(scope="module")
def fragile_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Yield a system for these tests only: frozen connections stay frozen."""
    with running_system(tmp_path_factory.mktemp("fragile"), with_proxies=True) as system:
        yield system


@pytest.fixture
async def visitor(fragile_system: System) -> AsyncIterator[Visitor]:
    async with Visitor(fragile_system.ports.public_url) as visitor:
        yield visitor


@pytest.mark.parametrize("server", ["postgres", "nats"])
async def test_nothing_is_lost_when_connections_go_silent(
    fragile_system: System, visitor: Visitor, server: str
) -> None:
    resume = await visitor.write_resume()
    checkout = await visitor.checkout(resume["id"])
    assert (await visitor.export(resume["id"]))[0]
    saved: list[int] = []

    async def write() -> bool:
        """Create a resume. Each acknowledged one must remain."""
        saved.append((await visitor.write_resume(full_name=f"Marie {len(saved)}"))["id"])
        return len(saved) >= 5

    async def pay() -> bool:
        await visitor.pay(checkout)
        return True

    writing = asyncio.create_task(eventually(write))
    assert await asyncio.to_thread(fragile_system.freeze, server) > 0
    await asyncio.gather(writing, eventually(pay))

    async def is_paid() -> bool:
        return (await visitor.get(f"/api/resumes/{resume['id']}/"))["is_paid"] is True

    async def exports_again() -> bool:
        await visitor.request("PATCH", f"/api/resumes/{resume['id']}/", json={"full_name": f"Marie after {server}"})
        has_watermark, pdf = await visitor.export(resume["id"])
        return not has_watermark and f"Marie after {server}" in pdf.pages[0].extract_text()

    await eventually(is_paid)
    await eventually(exports_again)
    assert {each["id"] for each in await visitor.get("/api/resumes/")} >= {resume["id"], *saved}
    payments = await visitor.get("/api/payments/")
    assert [(each["resume_id"], each["status"]) for each in payments] == [(resume["id"], "succeeded")]
