"""/v1/billing_portal/configurations and sessions."""

from stripe.params import billing_portal as sdk

from cv_stripe_sandbox.actions import portal
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, list_objects, list_params, param_names, retrieve_object
from cv_stripe_sandbox.shapes import Json

_CONFIGURATIONS = "/v1/billing_portal/configurations"


def _list(context: Context, params: Json) -> Json:
    return list_objects(context, "billing_portal.configuration", _CONFIGURATIONS, params, "active", "is_default")


def _update(context: Context, params: Json, configuration_id: str) -> Json:
    return portal.update_configuration(context, configuration_id, params)


_CREATE = param_names("business_profile default_return_url features metadata name")
_SESSION = param_names("configuration customer flow_data locale return_url")

OPERATIONS = [
    Operation("POST", _CONFIGURATIONS, sdk.ConfigurationCreateParams, portal.create_configuration, _CREATE),
    Operation("GET", _CONFIGURATIONS, sdk.ConfigurationListParams, _list, list_params("active is_default")),
    Operation(
        "GET",
        f"{_CONFIGURATIONS}/{{id}}",
        sdk.ConfigurationRetrieveParams,
        retrieve_object("billing_portal.configuration"),
    ),
    Operation("POST", f"{_CONFIGURATIONS}/{{id}}", sdk.ConfigurationUpdateParams, _update, _CREATE | {"active"}),
    Operation("POST", "/v1/billing_portal/sessions", sdk.SessionCreateParams, portal.create_session, _SESSION),
]
