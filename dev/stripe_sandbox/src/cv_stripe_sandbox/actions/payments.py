"""PaymentIntents, charges and refunds. No money moves."""

from cv_stripe_sandbox.actions import disputes
from cv_stripe_sandbox.cards import CARDS, Card
from cv_stripe_sandbox.context import Context
from cv_stripe_sandbox.errors import StripeError
from cv_stripe_sandbox.objects import payments
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.params.check import missing_param
from cv_stripe_sandbox.shapes import Json


def create_intent(
    context: Context, amount: int, currency: str, *, customer: str | None = None, metadata: Json | None = None
) -> Json:
    """Create a PaymentIntent."""
    intent = payments.payment_intent(amount, currency, context.now, customer=customer, metadata=dict(metadata or {}))
    return context.create(intent, event="payment_intent.created")


def attempt(context: Context, intent: Json, method: Json) -> bool:
    """Charge the whole intent to a card. Whether that succeeds depends on the test card."""
    card = CARDS[method["card"]["last4"]]
    charged = _build_charge(context, intent, method)
    if card.decline is None:
        context.create(charged, event="charge.succeeded")
        _mark_succeeded(context, intent, charged)
        return True
    context.create(payments.declined(charged, card), event="charge.failed")
    _mark_failed(context, intent, _card_error(card, charged["id"], method), latest_charge=charged["id"])
    return False


def fail_authentication(context: Context, intent: Json, method: Json) -> None:
    """Let the buyer fail 3-D Secure, so no charge is attempted."""
    context.update(
        intent,
        {"status": "requires_action", "payment_method": method["id"]},
        event="payment_intent.requires_action",
    )
    error = {
        "code": "payment_intent_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication. You can provide payment_method_data "
        "or a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
        "payment_method": method,
        "type": "invalid_request_error",
    }
    _mark_failed(context, intent, error, latest_charge=intent["latest_charge"])


def start_delayed(context: Context, intent: Json, method: Json) -> None:
    """Start a payment with a delayed payment method, which `settle_delayed` completes."""
    charged = _build_charge(context, intent, method) | {"status": "pending", "paid": False, "amount_captured": 0}
    context.create(charged, event="charge.pending")
    changes = {"status": "processing", "payment_method": method["id"], "latest_charge": charged["id"]}
    context.update(intent, changes, event="payment_intent.processing")


def settle_delayed(context: Context, intent: Json, *, arrived: bool) -> None:
    """Let a delayed payment succeed or fail."""
    charged = context.objects.get(intent["latest_charge"], "charge")
    if arrived:
        captured = {"status": "succeeded", "paid": True, "amount_captured": charged["amount"]}
        context.update(charged, captured, event="charge.succeeded")
        _mark_succeeded(context, intent, charged)
        return
    failed = {
        "status": "failed",
        "failure_code": "payment_failed",
        "failure_message": "The bank refused the payment.",
        "receipt_url": None,
    }
    context.update(charged, failed, event="charge.failed")
    error = {"code": "payment_failed", "message": failed["failure_message"], "type": "card_error"}
    _mark_failed(context, intent, error, latest_charge=charged["id"])


def refund(context: Context, params: Json) -> Json:
    """Refund part or all of a charge, which `charge` or `payment_intent` names."""
    charged = _get_refundable_charge(context, params)
    left = charged["amount"] - charged["amount_refunded"]
    amount = params.get("amount", left)
    if left == 0:
        raise StripeError(f"Charge {charged['id']} has already been refunded.", code="charge_already_refunded")
    if not 0 < amount <= left:
        raise StripeError(
            f"Refund amount ({amount}) must be positive and at most the unrefunded amount on charge ({left}).",
            param="amount",
        )
    refunded = context.create(payments.refund(charged, amount, params, context.now), event="refund.created")
    total = charged["amount_refunded"] + amount
    changes = {"amount_refunded": total, "refunded": total == charged["amount"]}
    context.update(charged, changes, event="charge.refunded")
    known = {**refunded["destination_details"]["card"], "reference": "sandbox", "reference_status": "available"}
    details = refunded["destination_details"] | {"card": known}
    return context.update(refunded, {"destination_details": details}, event="refund.updated")


def fail_refund(context: Context, refund_id: str) -> Json:
    """Let the buyer's bank return the refund, so the charge is not refunded any more."""
    refunded = context.objects.get(refund_id, "refund")
    if refunded["status"] != "succeeded":
        raise StripeError(f"Refund {refund_id} is {refunded['status']}.")
    changes = {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    context.update(refunded, changes, event="refund.failed")
    charged = context.objects.get(refunded["charge"], "charge")
    total = charged["amount_refunded"] - refunded["amount"]
    context.update(charged, {"amount_refunded": total, "refunded": False}, event="charge.updated")
    return refunded


def _get_refundable_charge(context: Context, params: Json) -> Json:
    if "charge" in params and "payment_intent" in params:
        raise StripeError("You may only specify one of these parameters: charge, payment_intent.")
    if "payment_intent" in params:
        intent = context.objects.get(params["payment_intent"], "payment_intent", param="payment_intent")
        if intent["status"] != "succeeded":
            raise StripeError(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
            )
        charged = context.objects.get(intent["latest_charge"], "charge")
    elif "charge" in params:
        charged = context.objects.get(params["charge"], "charge", param="charge")
    else:
        raise missing_param("payment_intent")
    if not charged["paid"]:
        raise StripeError(f"Charge {charged['id']} has not been paid.", code="charge_not_refundable")
    if disputes.blocks_refund(context, charged["id"]):
        raise StripeError(f"Charge {charged['id']} has been charged back.", code="charge_disputed")
    return charged


def _build_charge(context: Context, intent: Json, method: Json) -> Json:
    receipt = f"{context.settings.public_url}/receipts/{new_id('test_')}"
    return payments.charge(intent, method, receipt, context.now)


def _mark_succeeded(context: Context, intent: Json, charged: Json) -> None:
    changes = {
        "amount_received": intent["amount"],
        "last_payment_error": None,
        "latest_charge": charged["id"],
        "payment_method": charged["payment_method"],
        "status": "succeeded",
    }
    context.update(intent, changes, event="payment_intent.succeeded")


def _mark_failed(context: Context, intent: Json, error: Json, *, latest_charge: str | None) -> None:
    changes = {
        "last_payment_error": error,
        "latest_charge": latest_charge,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    context.update(intent, changes, event="payment_intent.payment_failed")


def _card_error(card: Card, charge: str, method: Json) -> Json:
    return {
        "charge": charge,
        "code": "card_declined",
        "decline_code": payments.decline_reason(card),
        "doc_url": "https://docs.stripe.com/error-codes/card-declined",
        "message": card.message,
        "payment_method": method,
        "type": "card_error",
    }
