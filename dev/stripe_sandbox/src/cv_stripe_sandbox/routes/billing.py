"""/v1/subscriptions, invoices and invoice_payments."""

from typing import Any

from stripe import params as sdk

from cv_stripe_sandbox.actions import invoices, subscription_changes, subscriptions
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.routes.operation import Operation, list_objects, list_params, param_names, retrieve_object
from cv_stripe_sandbox.shapes import Json, list_object

_NOT_CANCELED = ["active", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid"]


def _list_subscriptions(context: Context, params: Json) -> Json:
    status = params.get("status")
    where: dict[str, Any] = {"customer": params["customer"]} if "customer" in params else {}
    if status == "ended":
        where["status"] = list(subscriptions.ENDED)
    elif status != "all":
        where["status"] = status or _NOT_CANCELED
    if "price" in params:
        where["items.data[0].price.id"] = params["price"]
    data, more = context.objects.page("subscription", where, params)
    return list_object("/v1/subscriptions", data, has_more=more)


def _update(context: Context, params: Json, subscription_id: str) -> Json:
    return subscription_changes.update(context, subscription_id, params)


def _cancel(context: Context, params: Json, subscription_id: str) -> Json:
    if params.get("prorate") or params.get("invoice_now"):
        raise StripeError("The local sandbox does not prorate or invoice an immediate cancellation.")
    return subscriptions.cancel(context, subscription_id, params.get("cancellation_details"))


def _pause(context: Context, _params: Json, subscription_id: str) -> Json:
    return subscriptions.pause(context, subscription_id)


def _resume(context: Context, _params: Json, subscription_id: str) -> Json:
    return subscriptions.resume(context, subscription_id)


def _list_invoices(context: Context, params: Json) -> Json:
    if "subscription" in params:
        params |= {"parent.subscription_details.subscription": params.pop("subscription")}
    return list_objects(
        context, "invoice", "/v1/invoices", params,
        "customer", "status", "parent.subscription_details.subscription",
    )  # fmt: skip


def _pay(context: Context, params: Json, invoice_id: str) -> Json:
    invoice = invoices.get_payable(context, invoice_id)
    subscription = context.objects.get(invoices.subscription_of(invoice), "subscription")
    if "payment_method" in params:
        method = context.objects.get(params["payment_method"], "payment_method", param="payment_method")
        context.update(subscription, {"default_payment_method": method["id"]})
    if not subscriptions.collect(context, subscription, invoice):
        raise subscription_changes.payment_failed()
    return invoice


def _void(context: Context, _params: Json, invoice_id: str) -> Json:
    return invoices.void(context, invoices.get_payable(context, invoice_id))


def _list_invoice_payments(context: Context, params: Json) -> Json:
    payment = params.pop("payment", {})
    if "payment_intent" in payment:
        params["payment.payment_intent"] = payment["payment_intent"]
    return list_objects(
        context, "invoice_payment", "/v1/invoice_payments", params,
        "invoice", "status", "payment.payment_intent",
    )  # fmt: skip


_ONE = "/v1/subscriptions/{id}"
_BILL = "/v1/invoices/{id}"
_UPDATE = param_names(
    "cancel_at cancel_at_period_end cancellation_details default_payment_method description discounts items metadata "
    "payment_behavior proration_behavior"
)

OPERATIONS = [
    Operation("GET", "/v1/subscriptions", sdk.SubscriptionListParams, _list_subscriptions,
              list_params("customer price status")),
    Operation("GET", _ONE, sdk.SubscriptionRetrieveParams, retrieve_object("subscription")),
    Operation("POST", _ONE, sdk.SubscriptionUpdateParams, _update, _UPDATE),
    Operation("DELETE", _ONE, sdk.SubscriptionCancelParams, _cancel),
    Operation("POST", f"{_ONE}/pause", sdk.SubscriptionPauseParams, _pause, param_names("type")),
    Operation("POST", f"{_ONE}/resume", sdk.SubscriptionResumeParams, _resume, param_names("")),
    Operation("GET", "/v1/invoices", sdk.InvoiceListParams, _list_invoices,
              list_params("customer status subscription")),
    Operation("GET", _BILL, sdk.InvoiceRetrieveParams, retrieve_object("invoice")),
    Operation("POST", f"{_BILL}/pay", sdk.InvoicePayParams, _pay, param_names("off_session payment_method")),
    Operation("POST", f"{_BILL}/void", sdk.InvoiceVoidInvoiceParams, _void),
    Operation("GET", "/v1/invoice_payments", sdk.InvoicePaymentListParams, _list_invoice_payments,
              list_params("invoice payment status")),
    Operation("GET", "/v1/invoice_payments/{id}", sdk.InvoicePaymentRetrieveParams, retrieve_object("invoice_payment")),
]  # fmt: skip
