"""The billing portal: its configurations and sessions, and the actions of a customer."""

from cv_stripe_sandbox.actions import customers, invoices, subscription_changes, subscriptions
from cv_stripe_sandbox.cards import Card
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError, missing_object
from cv_stripe_sandbox.objects import portal
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.params.check import missing_param
from cv_stripe_sandbox.shapes import Json

SESSION_SECONDS = 3600


def create_configuration(context: Context, params: Json) -> Json:
    """Create a portal configuration."""
    _check_features(context, params["features"])
    return context.create(portal.configuration(params, context.now), event="billing_portal.configuration.created")


def update_configuration(context: Context, configuration_id: str, params: Json) -> Json:
    """Change a portal configuration."""
    known = context.objects.get(configuration_id, "billing_portal.configuration")
    changes = {name: value for name, value in params.items() if name in {"active", "metadata", "name"}}
    for name in ("default_return_url", "business_profile"):
        if name in params:
            changes[name] = params[name] or None
    if "features" in params:
        _check_features(context, params["features"])
        changes["features"] = portal.features(known["features"], params["features"])
    changes["updated"] = context.now
    return context.update(known, changes, event="billing_portal.configuration.updated")


def create_session(context: Context, params: Json) -> Json:
    """Create a portal session for a customer, with an optional flow."""
    if "customer" not in params:
        raise missing_param("customer")
    customer = context.objects.get(params["customer"], "customer", param="customer")
    configured = _get_configuration(context, params.get("configuration"))
    flow = _flow(context, params["flow_data"], customer, configured) if "flow_data" in params else None
    url = f"{context.settings.public_url}/p/session/{new_id('test_')}"
    session = portal.session(configured, customer["id"], flow, params, url, context.now)
    return context.create(session, event="billing_portal.session.created")


def get_session(context: Context, token: str) -> Json:
    """Return the session of a portal URL. Raises StripeError (410) if it is unknown or has expired."""
    url = f"{context.settings.public_url}/p/session/{token}"
    found = context.objects.select("billing_portal.session", {"url": url})
    if not found or found[0]["created"] + SESSION_SECONDS < context.now:
        raise StripeError("This portal session has expired. Go back and open it again.", status=410)
    return found[0]


def list_subscriptions(context: Context, session: Json) -> list[Json]:
    """Return the customer's subscriptions that have not ended, oldest first."""
    owned = context.objects.select("subscription", {"customer": session["customer"]})
    return [subscription for subscription in owned if subscription["status"] not in subscriptions.ENDED]


def features(context: Context, session: Json) -> Json:
    """Return the features of the session's configuration."""
    configured = context.objects.get(session["configuration"], "billing_portal.configuration")
    allowed: Json = configured["features"]
    return allowed


def cancel(context: Context, session: Json, subscription_id: str) -> str:
    """Cancel at the end of the period or now, as configured. Returns the message for the customer."""
    allowed = _get_enabled_feature(context, session, "subscription_cancel")
    _get_own_subscription(context, session, subscription_id)
    if allowed["mode"] == "immediately":
        subscriptions.cancel(context, subscription_id)
        return "Your subscription has been canceled."
    subscriptions.schedule_cancel(context, subscription_id)
    return "Your subscription will end with the current period."


def keep(context: Context, session: Json, subscription_id: str) -> str:
    """Undo a scheduled cancellation."""
    _get_own_subscription(context, session, subscription_id)
    subscriptions.undo_scheduled_cancel(context, subscription_id)
    return "Your subscription goes on."


def switch(context: Context, session: Json, subscription_id: str, price_id: str, quantity: int = 1) -> str:
    """Switch to another of the configured prices. A declined card changes nothing."""
    allowed = _get_enabled_feature(context, session, "subscription_update")
    subscription = _get_own_subscription(context, session, subscription_id)
    if price_id not in prices(allowed):
        raise StripeError("This plan is not offered here.")
    price = context.objects.get(price_id, "price", param="price")
    item = subscription["items"]["data"][0]
    if (price_id, quantity) == (item["price"]["id"], item["quantity"]):
        raise StripeError("There are no changes to confirm.")
    paid = subscription_changes.switch(context, subscription, item, price, quantity, allowed["proration_behavior"])
    if not paid:
        raise subscription_changes.payment_failed()
    return "Your plan has been changed."


def change_card(context: Context, session: Json, card: Card) -> str:
    """Use another card for all future payments."""
    _get_enabled_feature(context, session, "payment_method_update")
    customer = context.objects.get(session["customer"], "customer")
    method = customers.attach_card(context, customer, card)
    for subscription in list_subscriptions(context, session):
        context.update(subscription, {"default_payment_method": method["id"]}, event=subscriptions.UPDATED)
    return f"Payments are made with Visa •••• {card.last4} from now on."


def pay_invoice(context: Context, session: Json, invoice_id: str) -> str:
    """Pay an open invoice with the default card. Whether that succeeds depends on the test card."""
    _get_enabled_feature(context, session, "invoice_history")
    invoice = invoices.get_payable(context, invoice_id)
    subscription = _get_own_subscription(context, session, invoices.subscription_of(invoice))
    if subscriptions.collect(context, subscription, invoice):
        return "The invoice has been paid."
    return "Your card was declined. Change it, then try again."


def prices(allowed: Json) -> list[str]:
    """Return the ids of the prices that a customer can switch to."""
    return [price for product in allowed["products"] for price in product["prices"]]


def _get_configuration(context: Context, configuration_id: str | None) -> Json:
    if configuration_id is not None:
        return context.objects.get(configuration_id, "billing_portal.configuration", param="configuration")
    defaults = context.objects.select("billing_portal.configuration", {"is_default": True})
    if not defaults:
        raise StripeError(
            "No configuration provided and your test mode default configuration has not been created. Provide "
            "a configuration or create your default by saving your customer portal settings in test mode."
        )
    return defaults[0]


def _check_features(context: Context, requested: Json) -> None:
    update = requested.get("subscription_update", {})
    if update.get("enabled"):
        for name in ("default_allowed_updates", "products"):
            if not update.get(name):
                raise missing_param(f"features[subscription_update][{name}]")
    for product in update.get("products") or []:
        context.objects.get(product["product"], "product", param="features[subscription_update][products]")
        for price in product["prices"]:
            known = context.objects.get(price, "price", param="features[subscription_update][products]")
            if known["product"] != product["product"]:
                raise StripeError(f"The price {price} is not a price of {product['product']}.")


def _flow(context: Context, requested: Json, customer: Json, configured: Json) -> Json:
    kind = requested["type"]
    needed = _FEATURE_OF_FLOW.get(kind)
    if needed is None:
        raise StripeError(f"The local sandbox does not support the flow {kind}.", param="flow_data[type]")
    if not configured["features"][needed]["enabled"]:
        raise StripeError(
            f"This feature in the portal configuration is disabled: {needed}. Enable it to use this flow.",
            param="flow_data[type]",
        )
    if kind != "payment_method_update":
        if kind not in requested:
            raise missing_param(f"flow_data[{kind}]")
        _check_flow(context, requested[kind], kind, customer, configured)
    return portal.flow(requested)


def _check_flow(context: Context, details: Json, kind: str, customer: Json, configured: Json) -> None:
    path = f"flow_data[{kind}]"
    subscription = context.objects.get(details["subscription"], "subscription", param=f"{path}[subscription]")
    if subscription["customer"] != customer["id"]:
        raise missing_object("subscription", details["subscription"], f"{path}[subscription]")
    if subscription["status"] in subscriptions.ENDED:
        raise StripeError("This subscription has been canceled.", param=f"{path}[subscription]")
    if kind == "subscription_cancel" and subscription["cancel_at"] is not None:
        raise StripeError("This subscription is already set to be canceled.", param=f"{path}[subscription]")
    if kind != "subscription_update_confirm":
        return
    known = {item["id"] for item in subscription["items"]["data"]}
    if len(details["items"]) != 1 or details["items"][0]["id"] not in known:
        raise StripeError("Pass exactly one item, with the id of a subscription item.", param=f"{path}[items]")
    price = details["items"][0].get("price")
    if price is not None and price not in prices(configured["features"]["subscription_update"]):
        raise StripeError(
            f"The price {price} is not in the portal configuration's `features[subscription_update][products]`.",
            param=f"{path}[items][0][price]",
        )


def _get_enabled_feature(context: Context, session: Json, feature: str) -> Json:
    allowed: Json = features(context, session)[feature]
    if not allowed["enabled"]:
        raise StripeError(f"The portal configuration does not enable {feature}.")
    return allowed


def _get_own_subscription(context: Context, session: Json, subscription_id: str) -> Json:
    subscription = subscriptions.get_not_ended(context, subscription_id)
    if subscription["customer"] != session["customer"]:
        raise missing_object("subscription", subscription_id)
    return subscription


_FEATURE_OF_FLOW = {
    "payment_method_update": "payment_method_update",
    "subscription_cancel": "subscription_cancel",
    "subscription_update": "subscription_update",
    "subscription_update_confirm": "subscription_update",
}
