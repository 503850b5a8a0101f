"""Stripe's errors: a status and `{"error": {type, code, message, param}}`, never anything else."""

from cv_stripe_sandbox.shapes import Json


class StripeError(Exception):
    """A refusal as Stripe words it; the API door turns it into the answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param

    def body(self) -> Json:
        """The JSON that goes over the wire; absent parts are left out, as Stripe does."""
        parts = {"type": self.kind, "code": self.code, "message": self.message, "param": self.param}
        return {"error": {name: value for name, value in parts.items() if value is not None}}


class ParameterError(StripeError):
    """Parameters that never reached an endpoint: Stripe does not remember these for an idempotency key."""


def missing_object(noun: str, object_id: str, param: str | None = None) -> StripeError:
    """`No such price: 'price_x'`: 404 when it was named by the URL, 400 when a parameter named it."""
    status = 404 if param is None else 400
    return StripeError(f"No such {noun}: '{object_id}'", status=status, code="resource_missing", param=param or "id")
