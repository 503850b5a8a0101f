"""/v1/events and /v1/webhook_endpoints."""

from typing import Any

from stripe import params as sdk

from cv_stripe_sandbox.context import Context, serialize_event
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects.events import webhook_endpoint
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.routes.operation import Operation, list_objects, list_params, param_names, retrieve_object
from cv_stripe_sandbox.shapes import Json, list_object


def _retrieve_event(context: Context, _params: Json, event_id: str) -> Json:
    return serialize_event(context, context.objects.get(event_id, "event"))


def _list_events(context: Context, params: Json) -> Json:
    if "type" in params and "types" in params:
        raise StripeError("You may only specify one of these parameters: type, types.")
    where: dict[str, Any] = {}
    if "types" in params or not params.get("type", "*").endswith("*"):
        where["type"] = params.get("types", params.get("type"))
    elif "type" in params:
        where["type"] = context.objects.event_types(params["type"][:-1])
    without: list[str] = []
    if "delivery_success" in params:
        undelivered = context.deliveries.list_undelivered_events()
        if params["delivery_success"]:
            without = undelivered
        else:
            where["id"] = undelivered
    data, more = context.objects.page("event", where, params, without=without)
    return list_object("/v1/events", [serialize_event(context, event) for event in data], has_more=more)


def _create_endpoint(context: Context, params: Json) -> Json:
    endpoint = webhook_endpoint(params, context.now)
    secret = new_id("whsec_sandbox_")
    context.create(endpoint, private={"secrets": [secret]})
    return endpoint | {"secret": secret}


def _update_endpoint(context: Context, params: Json, endpoint_id: str) -> Json:
    endpoint = context.objects.get(endpoint_id, "webhook_endpoint")
    disabled = params.pop("disabled", endpoint["status"] == "disabled")
    return context.update(endpoint, params | {"status": "disabled" if disabled else "enabled"})


def _delete_endpoint(context: Context, _params: Json, endpoint_id: str) -> Json:
    context.objects.get(endpoint_id, "webhook_endpoint")
    context.objects.delete(endpoint_id)
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}


def _list_endpoints(context: Context, params: Json) -> Json:
    return list_objects(context, "webhook_endpoint", "/v1/webhook_endpoints", params)


_ENDPOINT = "/v1/webhook_endpoints/{id}"
_CREATE = param_names("api_version description enabled_events metadata url")
_UPDATE = param_names("description disabled enabled_events metadata url")

OPERATIONS = [
    Operation("GET", "/v1/events", sdk.EventListParams, _list_events, list_params("delivery_success type types")),
    Operation("GET", "/v1/events/{id}", sdk.EventRetrieveParams, _retrieve_event),
    Operation("POST", "/v1/webhook_endpoints", sdk.WebhookEndpointCreateParams, _create_endpoint, _CREATE),
    Operation("GET", "/v1/webhook_endpoints", sdk.WebhookEndpointListParams, _list_endpoints, list_params("")),
    Operation("GET", _ENDPOINT, sdk.WebhookEndpointRetrieveParams, retrieve_object("webhook_endpoint")),
    Operation("POST", _ENDPOINT, sdk.WebhookEndpointUpdateParams, _update_endpoint, _UPDATE),
    Operation("DELETE", _ENDPOINT, sdk.WebhookEndpointDeleteParams, _delete_endpoint),
]
