"""/v1/customers."""

from stripe import params as sdk

from cv_stripe_sandbox.actions import customers, deletion
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, list_objects, list_params, param_names
from cv_stripe_sandbox.shapes import Json


def _list(context: Context, params: Json) -> Json:
    return list_objects(context, "customer", "/v1/customers", params, "email")


def _retrieve(context: Context, _params: Json, customer_id: str) -> Json:
    return context.objects.find(customer_id, deletion.KIND) or context.objects.get(customer_id, "customer")


def _update(context: Context, params: Json, customer_id: str) -> Json:
    return customers.update(context, customer_id, params)


def _delete(context: Context, _params: Json, customer_id: str) -> Json:
    return deletion.delete_customer(context, customer_id)


_CUSTOMER = param_names("address balance description email metadata name phone preferred_locales shipping tax_exempt")

OPERATIONS = [
    Operation("POST", "/v1/customers", sdk.CustomerCreateParams, customers.create, _CUSTOMER),
    Operation("GET", "/v1/customers", sdk.CustomerListParams, _list, list_params("email")),
    Operation("GET", "/v1/customers/{id}", sdk.CustomerRetrieveParams, _retrieve),
    Operation("POST", "/v1/customers/{id}", sdk.CustomerUpdateParams, _update, _CUSTOMER | {"invoice_settings"}),
    Operation("DELETE", "/v1/customers/{id}", sdk.CustomerDeleteParams, _delete),
]
