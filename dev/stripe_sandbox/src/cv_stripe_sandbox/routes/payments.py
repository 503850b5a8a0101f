"""/v1/payment_intents, charges, refunds, disputes and payment_methods."""

from stripe import params as sdk

from cv_stripe_sandbox.actions import payments
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.routes.operation import Operation, listing, modelled, paged, retrieval
from cv_stripe_sandbox.shapes import Json


def _list_intents(context: Context, params: Json) -> Json:
    return listing(context, "payment_intent", "/v1/payment_intents", params, "customer")


def _list_charges(context: Context, params: Json) -> Json:
    return listing(context, "charge", "/v1/charges", params, "customer", "payment_intent")


def _list_refunds(context: Context, params: Json) -> Json:
    return listing(context, "refund", "/v1/refunds", params, "charge", "payment_intent")


def _list_disputes(context: Context, params: Json) -> Json:
    return listing(context, "dispute", "/v1/disputes", params, "charge", "payment_intent")


_REFUND = modelled("amount charge metadata payment_intent reason")

OPERATIONS = [
    Operation("GET", "/v1/payment_intents", sdk.PaymentIntentListParams, _list_intents, paged("customer")),
    Operation("GET", "/v1/payment_intents/{id}", sdk.PaymentIntentRetrieveParams, retrieval("payment_intent")),
    Operation("GET", "/v1/charges", sdk.ChargeListParams, _list_charges, paged("customer payment_intent")),
    Operation("GET", "/v1/charges/{id}", sdk.ChargeRetrieveParams, retrieval("charge")),
    Operation("POST", "/v1/refunds", sdk.RefundCreateParams, payments.refund, _REFUND),
    Operation("GET", "/v1/refunds", sdk.RefundListParams, _list_refunds, paged("charge payment_intent")),
    Operation("GET", "/v1/refunds/{id}", sdk.RefundRetrieveParams, retrieval("refund")),
    Operation("GET", "/v1/disputes", sdk.DisputeListParams, _list_disputes, paged("charge payment_intent")),
    Operation("GET", "/v1/disputes/{id}", sdk.DisputeRetrieveParams, retrieval("dispute")),
    Operation("GET", "/v1/payment_methods/{id}", sdk.PaymentMethodRetrieveParams, retrieval("payment_method")),
]
