"""What the operator does with dead letters: the command as it is typed, on a real bus."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from cv_common.messaging.broker import Broker, BrokerUnavailable, Consumer
from cv_common.messaging.events import Event, ResumePaymentChanged
from cv_testing.serving import eventually

from libs.common.tests.conftest import NatsServer, parts_running

COMMAND = str(Path(sys.executable).with_name("cv-dead-letters"))


def operate(broker: NatsServer, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    login = broker.server.environment("operator")
    return subprocess.run(
        [COMMAND, *words], env={**login, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


class Town:
    """A publisher, and two services that listen; one cannot take anything until its bug is mended."""

    def __init__(self, broker: NatsServer) -> None:
        self.payments = broker.bus("payments", publishes=True)
        self.resumes, self.auth = broker.bus("resumes"), broker.bus("auth")
        self.mended = False
        self.taken: list[int] = []
        self.elsewhere: list[int] = []

    def parts(self) -> list[Broker | Consumer]:
        return [
            self.payments,
            self.resumes,
            self.auth,
            Consumer(self.resumes, {ResumePaymentChanged: self._take}),
            Consumer(self.auth, {ResumePaymentChanged: self._note}),
        ]

    async def _take(self, event: ResumePaymentChanged) -> None:
        if not self.mended:
            raise KeyError("a bug")
        self.taken.append(event.resume_id)

    async def _note(self, event: ResumePaymentChanged) -> None:
        self.elsewhere.append(event.resume_id)

    async def publish(self, event: Event) -> None:
        """Publish as soon as the bus and its stream are there."""

        async def published() -> bool:
            try:
                await self.payments.publish(event.name, event.model_dump_json().encode(), str(uuid4()))
            except BrokerUnavailable:
                return False
            return True

        await eventually(published)

    async def expect_problem(self, expected: str | None) -> None:
        async def told() -> bool:
            return await self.resumes.check() == expected

        await eventually(told)


@pytest.fixture
async def town(broker: NatsServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """Two events are buried already."""
    monkeypatch.setattr(Consumer, "MAX_DELIVERIES", 1)
    town = Town(broker)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(parts_running(*town.parts()))
        for resume_id in (7, 8):
            await town.publish(ResumePaymentChanged(resume_id=resume_id, paid=True, revision=1))
            await town.expect_problem(f"{resume_id - 6} dead letters")
        yield town


async def test_they_are_listed_with_whom_they_failed_and_what_they_say(broker: NatsServer, town: Town) -> None:
    lines = [line.split("\t") for line in operate(broker, "list").stdout.splitlines()]
    assert [line[:3] for line in lines] == [[number, "resumes", ResumePaymentChanged.name] for number in "12"]
    assert ['"resume_id":7' in lines[0][3], '"resume_id":8' in lines[1][3]] == [True, True]


async def test_replayed_they_are_taken_and_health_is_green(broker: NatsServer, town: Town) -> None:
    town.mended = True
    assert operate(broker, "replay").returncode == 0
    await eventually(lambda: town.taken == [7, 8])
    await town.expect_problem(None)
    await eventually(lambda: town.elsewhere == [7, 8, 7, 8])  # a real handler knows the event by its id
    assert operate(broker, "list").stdout == ""


async def test_a_replay_that_comes_too_early_is_buried_again(broker: NatsServer, town: Town) -> None:
    assert operate(broker, "replay", "1").returncode == 0

    async def buried() -> bool:
        return [line.split("\t")[0] for line in operate(broker, "list").stdout.splitlines()] == ["2", "3"]

    await eventually(buried)


async def test_one_is_dropped_and_the_others_stay(broker: NatsServer, town: Town) -> None:
    assert operate(broker, "drop", "1").returncode == 0
    await town.expect_problem("1 dead letters")
    assert operate(broker, "list").stdout.startswith("2\t")


async def test_what_is_no_dead_letter_is_said(broker: NatsServer, town: Town) -> None:
    done = operate(broker, "drop", "9")
    assert (done.returncode, done.stdout) == (1, "9\tno dead letter has this number\n")
    assert len(operate(broker, "list").stdout.splitlines()) == 2


async def test_without_its_settings_or_its_password_it_says_so_in_one_line(broker: NatsServer) -> None:
    for environment, said in (({"NATS_USER": ""}, "NATS_USER must be set"), ({"NATS_PASSWORD": "x"}, "Authorization")):
        done = operate(broker, "list", **environment)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
