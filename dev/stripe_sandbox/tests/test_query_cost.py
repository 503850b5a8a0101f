"""The cost of an API call does not depend on the number of objects. It is counted in SQLite's steps, not in time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cv_stripe_sandbox.actions import billing_cycle, checkout, disputes, payments, portal, sessions, time_travel
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.main import OPERATIONS
from cv_stripe_sandbox.objects.events import webhook_endpoint
from cv_stripe_sandbox.repository.database import Database
from cv_stripe_sandbox.repository.replays import Replay
from cv_stripe_sandbox.routes.operation import Operation
from cv_stripe_sandbox.settings import Settings
from cv_stripe_sandbox.shapes import Json
from cv_stripe_sandbox.testing import payment_params, subscription_params

FEW, MANY = 20, 160
BUYER = checkout.Buyer("buyer@example.com")
WITH_PORTAL = {
    "features": {
        "invoice_history": {"enabled": True},
        "subscription_cancel": {"enabled": True},
    }
}

Act = Callable[[Context], object]


class FilledDatabase:
    """A database with the objects of many buyers, and of one more, who is queried."""

    def __init__(self, folder: Path, buyers: int) -> None:
        self._settings = Settings(data=folder, api_key="sk_test_sandbox")
        self._database = Database(folder)
        with self._change() as context:
            described = {"url": "http://localhost/webhook/", "enabled_events": ["*"]}
            context.create(webhook_endpoint(described, context.now), private={"secrets": ["whsec_sandbox"]})
            self.configuration = portal.create_configuration(context, WITH_PORTAL)["id"]
            context.now -= buyers  # one a second
            for number in range(buyers):
                context.now += 1
                self._add_past(context, number)
            for delivery in context.deliveries.list_page():
                context.deliveries.record_attempt(delivery.id, "delivered", status=200, error=None, next_attempt=0)
            self.known = self._add_past(context, buyers)

    def close(self) -> None:
        self._database.close()

    def steps(self, act: Act) -> int:
        """Return the number of steps that SQLite takes for an action, which is rolled back."""
        taken = 0

        def count() -> int:
            nonlocal taken
            taken += 1
            return 0

        with suppress(Undone), self._change() as context:
            self._database.connection.set_progress_handler(count, 1)
            try:
                act(context)
            finally:
                self._database.connection.set_progress_handler(None, 1)
            raise Undone
        return taken

    def _add_past(self, context: Context, number: int) -> dict[str, str]:
        """Create the objects of one buyer: two purchases, one of them refunded or disputed, and two unpaid sessions."""
        bought, left = (sessions.create(context, dict(payment_params())) for _ in range(2))
        subscribed = sessions.create(context, dict(subscription_params()))
        checkout.pay(context, bought["id"], BUYER)
        checkout.pay(context, subscribed["id"], BUYER)
        expired = sessions.expire(context, sessions.create(context, dict(payment_params()))["id"])
        session = context.objects.get(bought["id"], "checkout.session")
        subscription = context.objects.get(subscribed["id"], "checkout.session")
        intent = context.objects.get(session["payment_intent"], "payment_intent")
        charge = context.objects.get(intent["latest_charge"], "charge")
        if number % 2:
            payments.refund(context, {"charge": charge["id"]})
        else:
            disputes.create(context, charge["id"], "needs_response")
        page = portal.create_session(
            context,
            {
                "configuration": self.configuration,
                "customer": subscription["customer"],
                "return_url": "http://localhost/",
            },
        )
        context.replays.add(Replay(f"key {number}", "", 200, "{}"), context.now)
        return {
            "session": session["id"],
            "payment_intent": intent["id"],
            "charge": charge["id"],
            "receipt_url": charge["receipt_url"],
            "customer": subscription["customer"],
            "subscription": subscription["subscription"],
            "invoice": subscription["invoice"],
            "price": context.objects.get_private(subscribed["id"])["line_items"][0]["price"]["id"],
            "portal": page["url"].rpartition("/")[2],
            "expired": expired["id"],
            "open": left["id"],
        }

    @contextmanager
    def _change(self) -> Iterator[Context]:
        with self._database.transaction() as connection:
            yield Context(connection, self._settings)


class Undone(Exception):
    """Rolls a transaction back."""


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FilledDatabase, FilledDatabase]]:
    """Return databases with few and with many buyers."""
    few, many = (FilledDatabase(tmp_path_factory.mktemp("cost"), buyers) for buyers in (FEW, MANY))
    yield few, many
    few.close()
    many.close()


def acts(known: dict[str, str]) -> dict[str, Act]:
    """Return every action that queries objects, by name."""
    return {
        "the clock": billing_cycle.run_due,
        "pay": lambda context: checkout.pay(context, known["open"], BUYER),
        "decline": lambda context: checkout.decline(context, known["open"], BUYER),
        "subscribe": lambda context: checkout.pay(
            context, sessions.create(context, dict(subscription_params()))["id"], BUYER
        ),
        "renew": lambda context: time_travel.renew_now(context, known["subscription"]),
        "expire": lambda context: time_travel.expire_now(context, known["open"]),
        "open the portal": lambda context: portal.get_session(context, known["portal"]),
        "receipt": lambda context: context.objects.select("charge", {"receipt_url": known["receipt_url"]}),
        "dispute": lambda context: disputes.blocks_refund(context, known["charge"]),
        "default portal": lambda context: context.objects.select("billing_portal.configuration", {"is_default": True}),
        "remember an answer": lambda context: context.replays.add(Replay("new", "", 200, "{}"), context.now),
        "due deliveries": lambda context: context.deliveries.list_due(0, 16, [1, 2]),
        "next delivery": lambda context: context.deliveries.next_attempt([1, 2]),
        "some deliveries": lambda context: context.deliveries.list_page("delivered", limit=10),
        "held deliveries": lambda context: context.deliveries.list_page("held"),
        **{f"GET {path} {number}": listing(path, params) for number, (path, params) in enumerate(lists(known))},
    }


def lists(known: dict[str, str]) -> Iterator[tuple[str, Json]]:
    """Yield every list of the API: without filters, with each filter, and with paging."""
    values: dict[str, Any] = known | {
        "active": True,
        "code": "NONE", "created": {"gte": 4_000_000_000}, "currency": "eur",
        "customer_details": {"email": "a@b.example"},
        "delivery_success": False, "ids": ["a", "b"], "is_default": True, "lookup_keys": ["a", "b"],
        "payment": {"type": "payment_intent", "payment_intent": known["payment_intent"]}, "product": "prod_none",
        "email": "a@b.example", "status": "none", "type": "charge.*", "types": ["charge.succeeded", "none"],
        "url": "http://localhost/none",
    }  # fmt: skip
    paging = {"limit", "starting_after", "ending_before"}
    for operation in OPERATIONS:
        if operation.method != "GET" or operation.supported is None or not paging <= operation.supported:
            continue
        yield operation.path, {}
        filters = operation.supported - paging
        yield from ((operation.path, {name: values[name]}) for name in sorted(filters))
    yield "/v1/checkout/sessions", {"starting_after": known["open"]}
    yield "/v1/checkout/sessions", {"ending_before": known["session"]}
    yield "/v1/subscriptions", {"customer": known["customer"], "status": "all"}
    yield "/v1/events", {"types": ["charge.succeeded", "invoice.paid"], "delivery_success": False}
    yield "/v1/events", {"delivery_success": True}
    yield "/v1/events", {"type": "charge.succeeded", "created": {"gte": 1, "lt": 2}}


def listing(path: str, params: Json) -> Act:
    operation: Operation = next(each for each in OPERATIONS if (each.method, each.path) == ("GET", path))
    return lambda context: operation.perform(context, dict(params))


def test_query_cost_does_not_depend_on_the_number_of_objects(databases: tuple[FilledDatabase, FilledDatabase]) -> None:
    few, many = databases
    steps = {name: (few.steps(act), many.steps(acts(many.known)[name])) for name, act in acts(few.known).items()}
    # The margin allows for sorting, and for a page that is full only in the larger database.
    grown = {name: counts for name, counts in steps.items() if counts[1] > 1.5 * counts[0] + 500}
    assert grown == {}, dict(enumerate(lists(few.known)))
