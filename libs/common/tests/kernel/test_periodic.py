"""Periodic work."""

from cv_common.kernel.periodic import Periodic
from cv_testing.serving import eventually


async def test_work_runs_at_start_and_periodically() -> None:
    times: list[int] = []

    async def work() -> None:
        times.append(len(times))

    periodic = Periodic("counting", 0.01, work)
    await periodic.start()
    await eventually(lambda: len(times) >= 3)
    await periodic.stop()
    assert await periodic.check() is None


async def test_a_failure_is_reported_until_the_work_succeeds() -> None:
    broken = True

    async def work() -> None:
        if broken:
            raise ValueError("not yet")

    async def is_reported() -> bool:
        return await periodic.check() == "counting failed: ValueError"

    async def is_healthy() -> bool:
        return await periodic.check() is None

    periodic = Periodic("counting", 0.01, work)
    await periodic.start()
    await eventually(is_reported)
    broken = False
    await eventually(is_healthy)
    await periodic.stop()
