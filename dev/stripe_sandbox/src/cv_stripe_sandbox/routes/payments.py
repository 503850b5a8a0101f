"""/v1/payment_intents, charges, refunds, disputes and payment_methods."""

from stripe import params as sdk

from cv_stripe_sandbox.actions import payments
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, list_objects, list_params, param_names, retrieve_object
from cv_stripe_sandbox.shapes import Json


def _list_intents(context: Context, params: Json) -> Json:
    return list_objects(context, "payment_intent", "/v1/payment_intents", params, "customer")


def _list_charges(context: Context, params: Json) -> Json:
    return list_objects(context, "charge", "/v1/charges", params, "customer", "payment_intent")


def _list_refunds(context: Context, params: Json) -> Json:
    return list_objects(context, "refund", "/v1/refunds", params, "charge", "payment_intent")


def _list_disputes(context: Context, params: Json) -> Json:
    return list_objects(context, "dispute", "/v1/disputes", params, "charge", "payment_intent")


_REFUND = param_names("amount charge metadata payment_intent reason")

OPERATIONS = [
    Operation("GET", "/v1/payment_intents", sdk.PaymentIntentListParams, _list_intents, list_params("customer")),
    Operation("GET", "/v1/payment_intents/{id}", sdk.PaymentIntentRetrieveParams, retrieve_object("payment_intent")),
    Operation("GET", "/v1/charges", sdk.ChargeListParams, _list_charges, list_params("customer payment_intent")),
    Operation("GET", "/v1/charges/{id}", sdk.ChargeRetrieveParams, retrieve_object("charge")),
    Operation("POST", "/v1/refunds", sdk.RefundCreateParams, payments.refund, _REFUND),
    Operation("GET", "/v1/refunds", sdk.RefundListParams, _list_refunds, list_params("charge payment_intent")),
    Operation("GET", "/v1/refunds/{id}", sdk.RefundRetrieveParams, retrieve_object("refund")),
    Operation("GET", "/v1/disputes", sdk.DisputeListParams, _list_disputes, list_params("charge payment_intent")),
    Operation("GET", "/v1/disputes/{id}", sdk.DisputeRetrieveParams, retrieve_object("dispute")),
    Operation("GET", "/v1/payment_methods/{id}", sdk.PaymentMethodRetrieveParams, retrieve_object("payment_method")),
]
