"""The command line: setup of a Stripe account, and commands for failed jobs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from typing import Any

import httpx
import pytest
from cv_payments import cli, main
from cv_payments.clients.stripe_account import StripeAccount
from cv_payments.clients.stripe_connection import StripeConnection
from cv_payments.domain.events import OBJECT_KINDS
from cv_testing.ports import free_port
from cv_testing.serving import eventually
from cv_testing.supervisor import running
from stripe import StripeClient, WebhookEndpoint
from stripe import api_version as stripe_version

from services.payments.tests.conftest import Environment, Operator, sandbox_program
from services.payments.tests.system import API_KEY, ORIGIN, System, event

HOOK = "https://cv.example/api/payments/webhook/"


async def reports_failed_jobs(system: System) -> bool:
    return (await system.payments.get("/healthz")).status_code == 503


async def reports_no_failed_jobs(system: System) -> bool:
    health = await system.payments.get("/healthz")
    return "quarantined" not in health.text and "failed for good" not in health.text


async def quarantined(system: System) -> str:
    """Return the id of a quarantined event."""
    foreign = event("checkout.session.completed", f"cs_test_foreign_{system.new_id()}")
    assert (await system.deliver(foreign)).status_code == 200
    assert system.stored_event(foreign["id"])["outcome"] == "quarantined"
    return str(foreign["id"])


@pytest.fixture
async def clean(system: System, operator: Operator) -> None:
    """Dismiss the failed jobs of other tests."""
    for pile in ("events", "calls"):
        _, found = await operator(pile, "list")
        if found:
            await operator(pile, "dismiss", *(columns[0] for columns in found))


@pytest.mark.usefixtures("clean")
async def test_dismissed_event_leaves_the_list_and_health(system: System, operator: Operator) -> None:
    first, second = await quarantined(system), await quarantined(system)
    assert await reports_failed_jobs(system)
    code, listed = await operator("events", "list")
    assert (code, [columns[:3] for columns in listed]) == (
        0,
        [[each, "quarantined", "checkout.session.completed"] for each in (first, second)],
    )
    assert "Stripe has no cs_test_foreign" in listed[0][-1]
    code, dismissed = await operator("events", "dismiss", first)
    assert (code, [columns[0] for columns in dismissed]) == (0, [first])
    assert system.stored_event(second)["outcome"] == "quarantined"
    assert (await operator("events", "dismiss", second))[0] == 0
    await eventually(lambda: reports_no_failed_jobs(system))
    assert await operator("events", "list") == (0, [])


@pytest.mark.usefixtures("clean")
async def test_processed_event_cannot_be_dismissed_or_retried(system: System, operator: Operator) -> None:
    unknown = event("customer.tax_id.created", "txi_1")
    await system.deliver(unknown)
    for command in ("dismiss", "retry"):
        code, lines = await operator("events", command, unknown["id"], "evt_of_nobody")
        assert (code, len(lines)) == (1, 2)
    assert system.stored_event(unknown["id"])["outcome"] == "ignored"


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("outcome", ["dead", "quarantined"])
async def test_retried_event_takes_effect(system: System, operator: Operator, outcome: str) -> None:
    """The retry has the effect of a new event."""
    resume_id = system.new_resume()
    page = await system.single_page(system.new_user(), resume_id)
    await system.control("delivery", drop=["*"])
    await system.press(page)
    stripe_event = event("checkout.session.completed", system.session_at(page).id)
    system.row(
        "insert into stripe_events (id, type, object_id, attempts, outcome, error) values (%s, %s, %s, 8, %s, 'bug')"
        " returning id",
        stripe_event["id"], stripe_event["type"], stripe_event["data"]["object"]["id"], outcome,
    )  # fmt: skip
    assert await reports_failed_jobs(system)
    code, retried = await operator("events", "retry", stripe_event["id"])
    assert (code, retried[0][0]) == (0, stripe_event["id"])
    await eventually(lambda: system.published_paid(resume_id) == [True])
    await eventually(lambda: reports_no_failed_jobs(system))
    assert system.stored_event(stripe_event["id"])["outcome"] == "done"


@pytest.mark.usefixtures("clean")
async def test_dead_call_is_retried(system: System, operator: Operator) -> None:
    session = system.session_at(await system.single_page(system.new_user(), system.new_resume()))
    system.row(
        "insert into stripe_calls (key, action, object_id, parameters, attempts, outcome)"
        " values (%s, 'expire_session', %s, '{}', 8, 'dead') returning key",
        f"expire:{session.id}", session.id,
    )  # fmt: skip
    assert await reports_failed_jobs(system)
    code, retried = await operator("calls", "retry")
    assert (code, [columns[:3] for columns in retried]) == (0, [[f"expire:{session.id}", "dead", "expire_session"]])
    await eventually(lambda: system.session_at(session.id).status == "expired")
    await eventually(lambda: reports_no_failed_jobs(system))


@dataclass
class Account:
    """A Stripe account, and the command that sets it up."""

    stripe: StripeClient
    connection: StripeConnection

    async def set_up(self, *words: str) -> tuple[int, list[str], str]:
        """Return the exit code, the lines of stdout, and stderr."""
        lines, stderr, asked = StringIO(), StringIO(), cli.parse(["setup-stripe", *words])
        code = await cli.run_setup(StripeAccount(self.connection), ORIGIN, asked.webhook, lines, stderr)
        return code, lines.getvalue().splitlines(), stderr.getvalue()

    def everything(self) -> list[list[dict[str, Any]]]:
        """Return all objects that the command creates, without their times."""
        made: list[Any] = [
            self.stripe.v1.products.list().data,
            self.stripe.v1.prices.list().data,
            self.stripe.v1.billing_portal.configurations.list().data,
        ]
        return [[{**each.to_dict(for_json=True), "updated": None} for each in kind] for kind in made]

    def endpoint(self) -> WebhookEndpoint:
        """Return the webhook endpoint of HOOK."""
        [found] = [each for each in self.stripe.v1.webhook_endpoints.list().data if each.url == HOOK]
        return found


@pytest.fixture(scope="module")
def empty_sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return a sandbox of this module's own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(sandbox_program(port, tmp_path_factory.mktemp("account"), f"{url}/nobody/")):
        yield url


@pytest.fixture
async def account(empty_sandbox_url: str) -> AsyncIterator[Account]:
    """Return an empty account."""
    async with httpx.AsyncClient(base_url=empty_sandbox_url) as sandbox:
        (await sandbox.post("/sandbox/reset", json={})).raise_for_status()
    connection = StripeConnection(API_KEY, empty_sandbox_url)
    await connection.start()
    yield Account(StripeClient(API_KEY, base_addresses={"api": empty_sandbox_url}), connection)
    await connection.stop()


async def test_second_setup_changes_nothing(account: Account) -> None:
    code, lines, _ = await account.set_up()
    assert (code, [line.rpartition(": ")[2] for line in lines]) == (0, ["created or updated"] * 7)
    made = account.everything()
    code, lines, _ = await account.set_up()
    assert (code, [line.rpartition(": ")[2] for line in lines]) == (0, ["up to date"] * 7)
    assert account.everything() == made


async def test_webhook_endpoint_is_created_once_and_its_secret_printed(account: Account) -> None:
    _, lines, _ = await account.set_up("--webhook", HOOK)
    assert lines[-2] == f"webhook {HOOK}: created or updated"
    assert "STRIPE_WEBHOOK_SECRETS: whsec_" in lines[-1]
    made = account.endpoint()
    assert made.api_version == stripe_version
    assert set(made.enabled_events) == set(OBJECT_KINDS)
    account.stripe.v1.webhook_endpoints.update(made.id, {"enabled_events": ["charge.refunded"]})
    _, lines, _ = await account.set_up("--webhook", HOOK)
    assert lines[-1] == f"webhook {HOOK}: up to date"
    mended = account.endpoint()
    assert (mended.id, set(mended.enabled_events)) == (made.id, set(OBJECT_KINDS))


async def test_setup_replaces_a_wrong_price(account: Account) -> None:
    """Stripe cannot change the amount of a price: a new price gets the lookup key, and the portal is updated."""
    await account.set_up()
    wrong = account.stripe.v1.prices.create(
        {
            "product": "cv_monthly",
            "lookup_key": "cv_monthly",
            "transfer_lookup_key": True,
            "currency": "eur",
            "unit_amount": 1,
            "recurring": {"interval": "month"},
        }
    )
    _, lines, _ = await account.set_up()
    assert [line for line in lines if line.endswith(": created or updated")] == [
        "price cv_monthly (9.99 EUR): created or updated",
        "billing portal: created or updated",
    ]
    [right] = account.stripe.v1.prices.list({"lookup_keys": ["cv_monthly"], "active": True}).data
    assert (right.unit_amount, right.currency, right.id == wrong.id) == (999, "eur", False)
    assert account.stripe.v1.prices.retrieve(wrong.id).lookup_key is None
    [portal] = account.stripe.v1.billing_portal.configurations.list({"active": True}).data
    plans = portal.features.subscription_update.products
    assert right.id in [price for product in plans or [] for price in product.prices]


async def test_setup_corrects_a_changed_portal(account: Account) -> None:
    await account.set_up()
    configurations = account.stripe.v1.billing_portal.configurations
    [portal] = configurations.list({"active": True}).data
    configurations.update(portal.id, {"features": {"subscription_cancel": {"enabled": False}}})
    _, lines, _ = await account.set_up()
    assert lines[-1] == "billing portal: created or updated"
    assert configurations.retrieve(portal.id).features.subscription_cancel.enabled
    _, lines, _ = await account.set_up()
    assert lines[-1] == "billing portal: up to date"


async def test_setup_without_stripe_fails_with_a_message(account: Account) -> None:
    nowhere = StripeConnection(API_KEY, f"http://127.0.0.1:{free_port()}")
    await nowhere.start()
    code, lines, stderr = await replace(account, connection=nowhere).set_up()
    await nowhere.stop()
    assert (code, lines) == (1, [])
    assert stderr.startswith("Stripe was not set up: ")


LIVE = {
    "ENVIRONMENT": "production",
    "STRIPE_API_KEY": "rk_live_of_the_tests",
    "STRIPE_WEBHOOK_SECRETS": '["whsec_sandbox_generated"]',
    "PUBLIC_BASE_URL": "https://cv.example",
}
"""What is known of a live account before it is set up: the service would not start with it."""


RunMain = Callable[[dict[str, str], list[str]], int | str | None]


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch) -> RunMain:
    """Return a function that runs `cv-payments` in this process, with these settings and arguments.

    It returns the exit code, or the text that Python prints before it exits with 1.
    """

    def run(settings: dict[str, str], arguments: list[str]) -> int | str | None:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["cv-payments", *arguments])
        with pytest.raises(SystemExit) as exited:
            main.command()
        return exited.value.code

    return run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "Stripe was not set up: "),
        ({"STRIPE_WEBHOOK_SECRETS": ""}, "Stripe was not set up: "),
        ({"STRIPE_API_KEY": "rk_test_1"}, "STRIPE_API_KEY must be a live key"),
        ({"ENVIRONMENT": "development"}, "set ENVIRONMENT=production"),
        ({"STRIPE_API_BASE": "http://localhost:8010"}, "STRIPE_API_BASE must be empty"),
        ({"PUBLIC_BASE_URL": "http://cv.example"}, "PUBLIC_BASE_URL must be https"),
    ],
)
def test_setup_of_a_live_account_needs_no_webhook_secret(
    run_main: RunMain, capsys: pytest.CaptureFixture[str], changes: dict[str, str], message: str
) -> None:
    """The command itself prints the webhook secret. The proxy blocks Stripe here."""
    closed = {"https_proxy": f"http://127.0.0.1:{free_port()}", "no_proxy": ""}
    code = run_main({**LIVE, **closed, **changes}, ["setup-stripe"])
    assert code
    assert message in (code if isinstance(code, str) else capsys.readouterr().err)


@pytest.mark.parametrize("words", [[], ["events"], ["events", "drop"], ["events", "dismiss"], ["nonsense"]])
def test_wrong_arguments_print_the_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parse(words)
    assert "usage: cv-payments" in capsys.readouterr().err


async def test_command_uses_the_database_of_the_environment(
    system: System, environment: Environment, run_main: RunMain, capsys: pytest.CaptureFixture[str]
) -> None:
    stuck = await quarantined(system)
    settings = environment(DATABASE_URL=system.database_url)
    assert await asyncio.to_thread(run_main, settings, ["events", "dismiss", stuck]) == 0
    assert capsys.readouterr().out.startswith(stuck)
    assert system.stored_event(stuck)["outcome"] == "dismissed"
