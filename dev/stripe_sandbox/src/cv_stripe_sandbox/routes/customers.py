"""/v1/customers."""

from stripe import params as sdk

from cv_stripe_sandbox.actions import customers
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, listing, modelled, retrieval
from cv_stripe_sandbox.shapes import Json


def _list(context: Context, params: Json) -> Json:
    return listing(context, "customer", "/v1/customers", params, "email")


def _update(context: Context, params: Json, customer_id: str) -> Json:
    return customers.update(context, customer_id, params)


_CUSTOMER = modelled("address balance description email metadata name phone preferred_locales shipping tax_exempt")

OPERATIONS = [
    Operation("POST", "/v1/customers", sdk.CustomerCreateParams, customers.create, _CUSTOMER),
    Operation("GET", "/v1/customers", sdk.CustomerListParams, _list),
    Operation("GET", "/v1/customers/{id}", sdk.CustomerRetrieveParams, retrieval("customer")),
    Operation(
        "POST", "/v1/customers/{id}", sdk.CustomerUpdateParams, _update, _CUSTOMER | {"invoice_settings"}
    ),
]
