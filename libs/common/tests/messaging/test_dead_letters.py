"""The command `cv-dead-letters` with a real NATS server."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from cv_common.messaging.broker import Broker, BrokerUnavailable
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import Event, ResumePaymentChanged
from cv_testing.serving import eventually

from libs.common.tests.conftest import NatsServer, components_running

pytestmark = pytest.mark.operations

COMMAND = str(Path(sys.executable).with_name("cv-dead-letters"))


def run_command(nats: NatsServer, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    login = nats.server.environment("operator")
    return subprocess.run(
        [COMMAND, *words], env={**login, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


class Services:
    """A publisher and two consumers. The one in resumes fails until `is_fixed`."""

    def __init__(self, nats: NatsServer) -> None:
        self.payments = nats.broker("payments", publishes=True)
        self.resumes, self.auth = nats.broker("resumes"), nats.broker("auth")
        self.is_fixed = False
        self.processed_by_resumes: list[int] = []
        self.processed_by_auth: list[int] = []

    def components(self) -> list[Broker | Consumer]:
        return [
            self.payments,
            self.resumes,
            self.auth,
            Consumer(self.resumes, {ResumePaymentChanged: self._process}),
            Consumer(self.auth, {ResumePaymentChanged: self._record}),
        ]

    async def _process(self, event: ResumePaymentChanged) -> None:
        if not self.is_fixed:
            raise KeyError("a bug")
        self.processed_by_resumes.append(event.resume_id)

    async def _record(self, event: ResumePaymentChanged) -> None:
        self.processed_by_auth.append(event.resume_id)

    async def publish(self, event: Event) -> None:
        """Publish as soon as the broker has the stream."""

        async def published() -> bool:
            try:
                await self.payments.publish(event.name, event.model_dump_json().encode(), str(uuid4()))
            except BrokerUnavailable:
                return False
            return True

        await eventually(published)

    async def expect_problem(self, expected: str | None) -> None:
        async def has_problem() -> bool:
            return await self.resumes.check() == expected

        await eventually(has_problem)


@pytest.fixture
async def services(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    """Return the services, with two dead letters."""
    monkeypatch.setattr(Consumer, "MAX_DELIVERIES", 1)
    services = Services(nats)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(components_running(*services.components()))
        for resume_id in (7, 8):
            await services.publish(ResumePaymentChanged(resume_id=resume_id, paid=True, revision=1))
            await services.expect_problem(f"{resume_id - 6} dead letters")
        yield services


async def test_list_shows_service_subject_and_payload(nats: NatsServer, services: Services) -> None:
    lines = [line.split("\t") for line in run_command(nats, "list").stdout.splitlines()]
    assert [line[:3] for line in lines] == [[number, "resumes", ResumePaymentChanged.name] for number in "12"]
    assert ['"resume_id":7' in lines[0][3], '"resume_id":8' in lines[1][3]] == [True, True]


async def test_replayed_events_are_processed(nats: NatsServer, services: Services) -> None:
    services.is_fixed = True
    assert run_command(nats, "replay").returncode == 0
    await eventually(lambda: services.processed_by_resumes == [7, 8])
    await services.expect_problem(None)
    await eventually(lambda: services.processed_by_auth == [7, 8, 7, 8])  # a handler of a service skips known ids
    assert run_command(nats, "list").stdout == ""


async def test_a_replayed_event_that_fails_again_is_a_dead_letter_again(nats: NatsServer, services: Services) -> None:
    assert run_command(nats, "replay", "1").returncode == 0

    async def is_dead_letter_again() -> bool:
        return [line.split("\t")[0] for line in run_command(nats, "list").stdout.splitlines()] == ["2", "3"]

    await eventually(is_dead_letter_again)


async def test_drop_deletes_one_dead_letter(nats: NatsServer, services: Services) -> None:
    assert run_command(nats, "drop", "1").returncode == 0
    await services.expect_problem("1 dead letters")
    assert run_command(nats, "list").stdout.startswith("2\t")


async def test_an_unknown_number_is_reported(nats: NatsServer, services: Services) -> None:
    result = run_command(nats, "drop", "9")
    assert (result.returncode, result.stdout) == (1, "9\tno dead letter has this number\n")
    assert len(run_command(nats, "list").stdout.splitlines()) == 2


async def test_missing_settings_and_wrong_passwords_are_reported_in_one_line(nats: NatsServer) -> None:
    for environment, message in (
        ({"NATS_USER": ""}, "NATS_USER must be set"),
        ({"NATS_PASSWORD": "x"}, "Authorization"),
    ):
        result = run_command(nats, "list", **environment)
        assert result.returncode == 1
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
