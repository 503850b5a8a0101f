"""The API: keys, errors, idempotency, lists and expansion."""

import httpx
import pytest
import stripe
from cv_stripe_sandbox.testing import API_KEY, SandboxClient, payment_params


@pytest.mark.parametrize("key", ["sk_test_other", "sk_live_abc", "rk_live_abc", "pk_test_abc"])
def test_an_invalid_key_is_a_401(sandbox: SandboxClient, key: str) -> None:
    client = stripe.StripeClient(key, base_addresses={"api": sandbox.url})

    with pytest.raises(stripe.AuthenticationError):
        client.v1.checkout.sessions.create(payment_params())


def test_a_missing_key_is_a_401_in_json(sandbox: SandboxClient) -> None:
    answer = httpx.get(f"{sandbox.url}/v1/prices")

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["request-id"].startswith("req_")


def test_basic_authentication_works_for_curl(sandbox: SandboxClient) -> None:
    answer = httpx.get(f"{sandbox.url}/v1/prices", auth=(API_KEY, ""))

    assert answer.json() == {"object": "list", "url": "/v1/prices", "has_more": False, "data": []}


def test_another_api_version_is_rejected(sandbox: SandboxClient) -> None:
    answer = httpx.get(f"{sandbox.url}/v1/prices", auth=(API_KEY, ""), headers={"Stripe-Version": "2020-08-27"})

    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/v1/terminal/readers", "/v1/nothing", "/v1/prices/"])
def test_an_unsupported_path_is_a_json_404(sandbox: SandboxClient, path: str) -> None:
    answer = httpx.get(f"{sandbox.url}{path}", auth=(API_KEY, ""))

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_repeated_key_gets_the_first_response(sandbox: SandboxClient) -> None:
    first = sandbox.client.v1.checkout.sessions.create(payment_params(), {"idempotency_key": "k"})
    second = sandbox.client.v1.checkout.sessions.create(payment_params(), {"idempotency_key": "k"})

    assert first.id == second.id
    assert second.last_response is not None
    assert second.last_response.headers["idempotent-replayed"] == "true"
    assert len(sandbox.client.v1.checkout.sessions.list().data) == 1


def test_a_repeated_key_with_other_parameters_is_rejected(sandbox: SandboxClient) -> None:
    sandbox.client.v1.checkout.sessions.create(payment_params(), {"idempotency_key": "k"})

    with pytest.raises(stripe.IdempotencyError):
        sandbox.client.v1.checkout.sessions.create(payment_params(locale="en"), {"idempotency_key": "k"})


def test_invalid_parameters_are_not_saved_for_a_key(sandbox: SandboxClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        sandbox.client.v1.checkout.sessions.create(payment_params(unknown="x"), {"idempotency_key": "k"})

    assert sandbox.client.v1.checkout.sessions.create(payment_params(), {"idempotency_key": "k"}).id


def test_lists_are_paged_in_both_directions(sandbox: SandboxClient) -> None:
    made = [sandbox.client.v1.customers.create({"name": str(number)}).id for number in range(5)]

    first = sandbox.client.v1.customers.list({"limit": 2})
    assert [customer.id for customer in first.data] == [made[4], made[3]]
    assert first.has_more
    after = sandbox.client.v1.customers.list({"limit": 2, "starting_after": made[3]})
    assert [customer.id for customer in after.data] == [made[2], made[1]]
    before = sandbox.client.v1.customers.list({"limit": 2, "ending_before": made[2]})
    assert [customer.id for customer in before.data] == [made[4], made[3]]
    assert [customer.id for customer in first.auto_paging_iter()] == made[::-1]


def test_prices_are_found_by_lookup_key(sandbox: SandboxClient) -> None:
    product = sandbox.client.v1.products.create({"name": "CV"})
    price = sandbox.client.v1.prices.create(
        {"currency": "eur", "unit_amount": 499, "product": product.id, "lookup_key": "cv_single"}
    )

    found = sandbox.client.v1.prices.list({"lookup_keys": ["cv_single", "cv_monthly"], "active": True})

    assert [entry.id for entry in found.data] == [price.id]
    assert found.data[0].unit_amount_decimal == 499
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        sandbox.client.v1.prices.create(
            {"currency": "eur", "unit_amount": 1, "product": product.id, "lookup_key": "cv_single"}
        )


def test_an_unknown_object_is_a_404(sandbox: SandboxClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        sandbox.client.v1.charges.retrieve("ch_unknown")

    assert (raised.value.http_status, raised.value.code) == (404, "resource_missing")


def test_an_invalid_expansion_is_rejected(sandbox: SandboxClient) -> None:
    session = sandbox.checkout()

    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        sandbox.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["nothing"]})
