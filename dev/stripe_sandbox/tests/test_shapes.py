"""Every object has exactly the fields of its class in the SDK."""

from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

import stripe
from cv_stripe_sandbox.shapes import API_VERSION
from cv_stripe_sandbox.testing import SandboxClient
from stripe._object_classes import get_object_class


def test_the_api_version_is_that_of_the_sdk() -> None:
    assert stripe.api_version == API_VERSION


def test_objects_have_the_fields_of_their_class(sandbox: SandboxClient) -> None:
    live_through_everything(sandbox)

    events = list(sandbox.client.v1.events.list({"limit": 100}).auto_paging_iter())
    seen: set[str] = set()
    problems: list[str] = []
    for event in events:
        body: dict[str, Any] = event.to_dict(for_json=True)
        about = body["data"]["object"]
        seen.add(about["object"])
        problems += differences(about, get_object_class("V1", about["object"]), about["object"])
    sessions = sandbox.client.v1.checkout.sessions.list({"expand": ["data.line_items"]})
    for session in sessions.data:
        problems += differences(session.to_dict(for_json=True), stripe.checkout.Session, "checkout.session")

    assert sorted(set(problems)) == [], "\n".join(sorted(set(problems)))
    assert seen >= {
        "billing_portal.configuration",
        "billing_portal.session",
        "charge",
        "checkout.session",
        "coupon",
        "customer",
        "discount",
        "dispute",
        "invoice",
        "invoice_payment",
        "payment_intent",
        "payment_method",
        "price",
        "product",
        "promotion_code",
        "refund",
        "subscription",
    }


def live_through_everything(sandbox: SandboxClient) -> None:
    sandbox.browser.post(f"{sandbox.checkout().url}/decline")
    sandbox.browser.post(f"{sandbox.checkout().url}/pay-later")
    sandbox.pay(sandbox.checkout())
    charge = sandbox.client.v1.charges.list({"limit": 1}).data[0]
    sandbox.client.v1.refunds.create({"charge": charge.id, "amount": 100})
    sandbox.control("dispute", charge=charge.id)
    subscription = sandbox.subscribe()
    sandbox.control("renew", subscription=subscription.id)
    sandbox.control("card", customer=subscription.customer, card="0341")
    sandbox.control("renew", subscription=subscription.id)
    coupon = sandbox.client.v1.coupons.create({"percent_off": 50, "duration": "once"})
    sandbox.client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"})
    sandbox.control("discount", customer=subscription.customer, coupon=coupon.id)
    sandbox.control("card", customer=subscription.customer, card="4242")
    sandbox.control("renew", subscription=subscription.id)
    session = sandbox.checkout(allow_promotion_codes=True)
    sandbox.browser.post(f"{session.url}/promotion-code", data={"code": "half"})
    configuration = sandbox.client.v1.billing_portal.configurations.create(
        {"features": {"invoice_history": {"enabled": True}, "payment_method_update": {"enabled": True}}}
    )
    sandbox.client.v1.billing_portal.sessions.create(
        {
            "customer": str(subscription.customer),
            "configuration": configuration.id,
            "flow_data": {"type": "payment_method_update"},
        }
    )


def differences(body: dict[str, Any], known: Any, path: str) -> Iterator[str]:
    annotations = known.__annotations__
    for name in body.keys() - annotations.keys():
        yield f"{path}.{name} is unknown to {known.__name__}"
    for name, hint in annotations.items():
        if name in {"OBJECT_NAME", "deleted"} or name.startswith("_"):
            continue
        if name not in body:
            if not optional(hint):
                yield f"{path}.{name} is missing"
        elif body[name] is None:
            if not optional(hint):
                yield f"{path}.{name} is null"
        else:
            yield from inner_differences(body[name], known, name, hint, f"{path}.{name}")


def inner_differences(value: Any, known: Any, name: str, hint: Any, path: str) -> Iterator[str]:
    entries = value["data"] if isinstance(value, dict) and value.get("object") == "list" else value
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and "object" in entry:
            yield from differences(entry, get_object_class("V1", entry["object"]), path)
        elif isinstance(entry, dict) and name in known._inner_class_types:
            yield from differences(entry, known._inner_class_types[name], path)
        elif not isinstance(entry, dict) and not leaf_fits(entry, hint):
            yield f"{path} is {entry!r}, not {hint}"


def leaf_fits(value: Any, hint: Any) -> bool:
    text = str(hint)
    if isinstance(value, bool):
        return "bool" in text or "Literal[True]" in text
    if isinstance(value, int):
        return "int" in text
    if isinstance(value, float):
        return "float" in text
    return "str" in text or "Literal" in text or "Decimal" in text or "Dict" in text


def optional(hint: Any) -> bool:
    return get_origin(hint) is Union and type(None) in get_args(hint)
