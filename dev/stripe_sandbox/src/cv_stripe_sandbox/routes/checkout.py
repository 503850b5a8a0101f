"""/v1/checkout/sessions."""

from stripe.params import checkout as sdk

from cv_stripe_sandbox.actions import sessions
from cv_stripe_sandbox.actions.customers import merge_metadata
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, list_objects, list_params, param_names, retrieve_object
from cv_stripe_sandbox.shapes import Json, list_object

_PATH = "/v1/checkout/sessions"


def _create(context: Context, params: Json) -> Json:
    return sessions.create(context, params)


def _update(context: Context, params: Json, session_id: str) -> Json:
    session = context.objects.get(session_id, "checkout.session")
    return context.update(session, merge_metadata(session, params))


def _expire(context: Context, _params: Json, session_id: str) -> Json:
    return sessions.expire(context, session_id)


def _list(context: Context, params: Json) -> Json:
    if "customer_details" in params:
        params |= {"customer_details.email": params.pop("customer_details")["email"]}
    return list_objects(
        context, "checkout.session", _PATH, params,
        "customer", "payment_intent", "subscription", "status", "customer_details.email",
    )  # fmt: skip


def _line_items(context: Context, params: Json, session_id: str) -> Json:
    context.objects.get(session_id, "checkout.session")
    limit = params.get("limit", 10)
    lines = sessions.line_items(context, session_id)
    return list_object(f"{_PATH}/{session_id}/line_items", lines[:limit], has_more=len(lines) > limit)


_CREATE = param_names(
    "adaptive_pricing allow_promotion_codes allowed_payment_method_types billing_address_collection cancel_url "
    "client_reference_id customer customer_creation customer_email customer_update discounts expires_at "
    "integration_identifier line_items locale metadata mode origin_context payment_intent_data "
    "payment_method_collection submit_type subscription_data success_url ui_mode"
)

OPERATIONS = [
    Operation("POST", _PATH, sdk.SessionCreateParams, _create, _CREATE),
    Operation("GET", _PATH, sdk.SessionListParams, _list,
              list_params("customer customer_details payment_intent status subscription")),
    Operation("GET", f"{_PATH}/{{id}}", sdk.SessionRetrieveParams, retrieve_object("checkout.session")),
    Operation("POST", f"{_PATH}/{{id}}", sdk.SessionUpdateParams, _update, param_names("metadata")),
    Operation("POST", f"{_PATH}/{{id}}/expire", sdk.SessionExpireParams, _expire),
    Operation("GET", f"{_PATH}/{{id}}/line_items", sdk.SessionListLineItemsParams, _line_items, param_names("limit")),
]  # fmt: skip
