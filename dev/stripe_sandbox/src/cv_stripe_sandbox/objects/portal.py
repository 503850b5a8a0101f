"""Billing portal configurations and sessions."""

from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.shapes import Json


def configuration(params: Json, now: int) -> Json:
    """Return a portal configuration. Features that are not mentioned are off."""
    business = params.get("business_profile", {})
    return {
        "id": new_id("bpc_1"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {
            "headline": business.get("headline") or None,
            "privacy_policy_url": business.get("privacy_policy_url"),
            "terms_of_service_url": business.get("terms_of_service_url"),
        },
        "created": now,
        "default_return_url": params.get("default_return_url") or None,
        "features": features({}, params["features"]),
        "is_default": False,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": params.get("metadata") or {},
        "name": params.get("name") or None,
        "updated": now,
    }


def features(known: Json, requested: Json) -> Json:
    """Return the features of a configuration after a change. Features that are not mentioned are unchanged."""
    merged: Json = {}
    for name, defaults in _FEATURES_OFF.items():
        # "" unsets a parameter.
        values = {key: value for key, value in requested.get(name, {}).items() if value != ""}
        unset = {key: defaults[key] for key, value in requested.get(name, {}).items() if value == ""}
        merged[name] = defaults | known.get(name, {}) | values | unset
    update = merged["subscription_update"]
    update["products"] = [_ADJUSTABLE | product for product in update["products"] or []]
    return merged


def session(configured: Json, customer: str, flow: Json | None, params: Json, url: str, now: int) -> Json:
    """Return a portal session. Anyone with its URL can act as the customer."""
    return {
        "id": new_id("bps_1"),
        "object": "billing_portal.session",
        "after_expiration": None,
        "configuration": configured["id"],
        "created": now,
        "customer": customer,
        "customer_account": None,
        "flow": flow,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url") or configured["default_return_url"],
        "url": url,
    }


def flow(requested: Json) -> Json:
    """Return the flow of a deep link, with null for the parts that it does not have."""
    after = {"hosted_confirmation": None, "redirect": None, "type": "portal_homepage"}
    parts = dict.fromkeys(_FLOWS)
    return {**parts, **requested, "after_completion": after | requested.get("after_completion", {})}


_FLOWS = ("subscription_cancel", "subscription_update", "subscription_update_confirm")

_ADJUSTABLE: Json = {"adjustable_quantity": {"enabled": False, "maximum": None, "minimum": 1}}

_FEATURES_OFF: Json = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {
        "duration": {"interval_options": [], "type": "indefinite"},
        "enabled": False,
    },
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "products": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}
