"""`expand[]`: replaces ids by objects, and adds the lists that are not included by default."""

from collections.abc import Callable
from typing import Any

from cv_stripe_sandbox.actions import invoices, sessions
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import ParameterError
from cv_stripe_sandbox.shapes import Json, list_object

_MAX_DEPTH = 4


def expand(context: Context, body: Json, paths: list[str]) -> Json:
    """Expand every path in the body. Paths into a list start with `data`."""
    for path in paths:
        names = path.split(".")
        if len(names) > _MAX_DEPTH:
            raise ParameterError(
                f"You cannot expand more than {_MAX_DEPTH} levels of a property: {path}", param="expand"
            )
        _expand(context, body, names, path)
    return body


def _expand(context: Context, body: Json, names: list[str], path: str) -> None:
    name, deeper = names[0], names[1:]
    if name not in body and (show := _ONLY_EXPANDED.get((body.get("object", ""), name))):
        body[name] = show(context, body)
    if name not in body:
        raise ParameterError(f"This property cannot be expanded ({path}).", param="expand")
    value = body[name]
    if isinstance(value, str):
        found = context.objects.find(value)
        if found is None or name == "id":
            raise ParameterError(f"This property cannot be expanded ({path}).", param="expand")
        body[name] = value = found
    if deeper:
        for entry in _entries(value):
            _expand(context, entry, deeper, path)


def _entries(value: Any) -> list[Json]:
    if isinstance(value, list):
        return [entry for entry in value if isinstance(entry, dict)]
    return [value] if isinstance(value, dict) else []


def _line_items(context: Context, session: Json) -> Json:
    return list_object(f"/v1/checkout/sessions/{session['id']}/line_items", sessions.line_items(context, session["id"]))


def _payments(context: Context, invoice: Json) -> Json:
    return list_object(f"/v1/invoice_payments?invoice={invoice['id']}", invoices.payments_of(context, invoice["id"]))


def _refunds(context: Context, charged: Json) -> Json:
    refunds = context.objects.select("refund", {"charge": charged["id"]})
    return list_object(f"/v1/charges/{charged['id']}/refunds", refunds[::-1])


def _subscriptions(context: Context, customer: Json) -> Json:
    living = context.objects.select("subscription", {"customer": customer["id"]})
    shown = [subscription for subscription in living if subscription["status"] != "canceled"]
    return list_object(f"/v1/customers/{customer['id']}/subscriptions", shown[::-1])


_ONLY_EXPANDED: dict[tuple[str, str], Callable[[Context, Json], Json]] = {
    ("checkout.session", "line_items"): _line_items,
    ("invoice", "payments"): _payments,
    ("charge", "refunds"): _refunds,
    ("customer", "subscriptions"): _subscriptions,
}
