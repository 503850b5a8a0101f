"""Stripe's errors: a status and `{"error": {type, code, message, param}}`."""

from cv_stripe_sandbox.shapes import Json


class StripeError(Exception):
    """An error with Stripe's wording. The API handler turns it into a response."""

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
        """Return the JSON of the response. Fields without a value are left out, as Stripe does."""
        parts = {"type": self.kind, "code": self.code, "message": self.message, "param": self.param}
        return {"error": {name: value for name, value in parts.items() if value is not None}}


class ParameterError(StripeError):
    """Invalid parameters. Stripe does not save this error for the idempotency key."""


def missing_object(noun: str, object_id: str, param: str | None = None) -> StripeError:
    """Return `No such price: 'price_x'`: 404 if the URL named it, 400 if a parameter did."""
    status = 404 if param is None else 400
    return StripeError(f"No such {noun}: '{object_id}'", status=status, code="resource_missing", param=param or "id")
