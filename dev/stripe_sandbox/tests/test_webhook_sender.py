"""Webhooks are signed, retried until acknowledged, and survive a kill -9."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import stripe
from cv_stripe_sandbox.settings import Settings
from cv_stripe_sandbox.testing import (
    API_KEY,
    SECRET,
    Receiver,
    SandboxClient,
    ServerThread,
    listen,
    payment_params,
    running,
    url_of,
    wait_until,
)
from cv_stripe_sandbox.webhook_sender import sign


def test_attempts_are_retried_and_each_is_signed_anew(sandbox: SandboxClient, receiver: Receiver) -> None:
    receiver.answers = [500, 404]

    customer = sandbox.client.v1.customers.create({"name": "Jane"})

    receiver.wait_for("customer.created", 3)
    attempts = receiver.of_type("customer.created")
    assert len({event.id for event in attempts}) == 1
    assert attempts[0].data.object.id == customer.id
    wait_until(lambda: sandbox.client.v1.events.list({"delivery_success": True}).data)
    assert sandbox.client.v1.events.list({"delivery_success": False}).data == []


def test_an_event_is_pending_until_it_is_acknowledged(settings: Settings, receiver: Receiver) -> None:
    receiver.answers = [500]
    with running(replace(settings, webhook_retry=3600), receiver) as sandbox:
        sandbox.client.v1.customers.create({"name": "Jane"})
        receiver.wait_for("customer.created")

        undelivered = sandbox.client.v1.events.list({"delivery_success": False, "types": ["customer.created"]})

    assert [event.pending_webhooks for event in undelivered.data] == [1]


def test_both_secrets_of_a_rotation_sign(settings: Settings, receiver: Receiver) -> None:
    receiver.secrets = ["whsec_new", "whsec_old"]
    with running(replace(settings, webhook_secrets=("whsec_new", "whsec_old")), receiver) as sandbox:
        sandbox.client.v1.customers.create({"name": "Jane"})
        receiver.wait_for("customer.created")

    assert receiver.signatures[0].count("v1=") == 2


def test_the_sdk_verifies_the_signature() -> None:
    header = sign(b"{}", ["whsec_other", SECRET], int(time.time()))

    assert stripe.WebhookSignature.verify_header("{}", header, SECRET, tolerance=300)


def test_a_failing_webhook_delays_the_buyer_only_briefly(settings: Settings, receiver: Receiver) -> None:
    receiver.answers = [503] * 100
    with running(replace(settings, checkout_wait=0.2), receiver) as sandbox:
        answer = sandbox.pay(sandbox.checkout())

    assert answer.status_code == 303


def test_endpoints_created_by_the_api_have_their_own_secret_and_types(
    sandbox: SandboxClient, receiver: Receiver
) -> None:
    other, listener = Receiver(), listen()
    server = ServerThread(listener, other.application())
    try:
        endpoint = sandbox.client.v1.webhook_endpoints.create(
            {"url": f"{url_of(listener)}/webhook/", "enabled_events": ["customer.created"]}
        )
        other.secrets = [str(endpoint.secret)]
        sandbox.client.v1.products.create({"name": "CV"})
        sandbox.client.v1.customers.create({"name": "Jane"})
        other.wait_for("customer.created")
        assert other.types() == ["customer.created"]
        assert "secret" not in sandbox.client.v1.webhook_endpoints.retrieve(endpoint.id)
        sandbox.client.v1.webhook_endpoints.delete(endpoint.id)
        sandbox.client.v1.customers.create({"name": "John"})
        receiver.wait_for("customer.created", 2)
        assert other.types() == ["customer.created"]
    finally:
        server.stop()


@pytest.fixture
def environment(tmp_path: Path, receiver: Receiver) -> Iterator[dict[str, str]]:
    listener, port = listen(), listen()
    free = port.getsockname()[1]
    port.close()
    server = ServerThread(listener, receiver.application())
    yield {
        **os.environ,
        "SANDBOX_PORT": str(free),
        "SANDBOX_PUBLIC_URL": f"http://127.0.0.1:{free}",
        "SANDBOX_DATA": str(tmp_path),
        "SANDBOX_API_KEY": API_KEY,
        "SANDBOX_WEBHOOK_URL": f"{url_of(listener)}/webhook/",
        "SANDBOX_WEBHOOK_SECRET": SECRET,
        "SANDBOX_WEBHOOK_RETRY": "0.2",
        "SANDBOX_CHECKOUT_WAIT": "0",
    }
    server.stop()


@contextmanager
def process(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-m", "cv_stripe_sandbox"], env=environment)
    try:
        wait_until(lambda: reachable(environment["SANDBOX_PUBLIC_URL"]))
        yield started
    finally:
        started.kill()
        started.wait()


def reachable(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_killed_sandbox_delivers_after_its_restart(environment: dict[str, str], receiver: Receiver) -> None:
    url = environment["SANDBOX_PUBLIC_URL"]
    client = stripe.StripeClient(API_KEY, base_addresses={"api": url})
    receiver.answers = [503] * 100_000
    with process(environment) as first:
        session = client.v1.checkout.sessions.create(payment_params())
        paid = httpx.post(f"{session.url}/pay")
        assert paid.status_code == 303
        first.send_signal(signal.SIGKILL)
        first.wait()
    receiver.answers.clear()
    receiver.events.clear()

    with process(environment):
        event = receiver.wait_for("checkout.session.completed")

        assert event.data.object.id == session.id
        assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_the_endpoint_of_the_environment_gets_only_its_types(environment: dict[str, str], receiver: Receiver) -> None:
    client = stripe.StripeClient(API_KEY, base_addresses={"api": environment["SANDBOX_PUBLIC_URL"]})

    with process({**environment, "SANDBOX_WEBHOOK_EVENTS": "checkout.*, charge.*"}):
        session = client.v1.checkout.sessions.create(payment_params())
        httpx.post(f"{session.url}/pay")
        receiver.wait_for("checkout.session.completed")
        receiver.wait_for("charge.succeeded")

    assert {kind.partition(".")[0] for kind in receiver.types()} == {"checkout", "charge"}
