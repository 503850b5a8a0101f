"""Handles API calls: API key, idempotency, planned faults, parameters; then runs one operation."""

import asyncio
import hashlib
import json
from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cv_stripe_sandbox.errors import ParameterError, StripeError
from cv_stripe_sandbox.expand import expand
from cv_stripe_sandbox.objects.ids import new_id
from cv_stripe_sandbox.params.check import parse
from cv_stripe_sandbox.params.forms import decode
from cv_stripe_sandbox.repository.controls import Fault
from cv_stripe_sandbox.repository.replays import Replay
from cv_stripe_sandbox.routes.operation import Operation
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.shapes import API_VERSION, Json

_MAX_IDEMPOTENCY_KEY = 255
_TEST_KEYS = ("sk_test_", "rk_test_")


@dataclass(frozen=True)
class ApiCall:
    """One API call."""

    operation: Operation
    ids: tuple[str, ...]
    form: str
    request_id: str
    key: str | None

    @property
    def fingerprint(self) -> str:
        """Return a hash that is equal for equal requests."""
        content = "\n".join([self.operation.method, self.operation.path, *self.ids, self.form])
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class ApiResponse:
    """A status and a JSON text. `is_saved`: a repeated idempotency key gets the same response."""

    status: int
    body: str
    is_saved: bool = True
    replayed: bool = False


class ApiHandler:
    """Creates the routes of operations."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._in_flight: set[str] = set()

    def route(self, operation: Operation) -> Route:
        """Create the route of an operation."""

        async def endpoint(request: Request) -> Response:
            return await self._handle(request, operation)

        return Route(operation.path, endpoint, methods=[operation.method])

    async def _handle(self, request: Request, operation: Operation) -> Response:
        request_id = new_id("req_")
        key = request.headers.get("idempotency-key") if operation.method == "POST" else None
        try:
            self._authenticate(request)
            sent = (await request.body()).decode() if operation.method == "POST" else request.url.query
            call = ApiCall(operation, tuple(request.path_params.values()), sent, request_id, key)
            response = await self._call_once(call, request.url.path)
        except StripeError as error:
            response = _error_response(error)
        return create_response(response, request_id, key)

    def _authenticate(self, request: Request) -> None:
        key = _api_key(request.headers.get("authorization", ""))
        requested = self._sandbox.settings.api_key
        if not key:
            raise StripeError(
                "You did not provide an API key. You need to provide your API key in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if key.startswith(("sk_live_", "rk_live_")):
            raise StripeError("This is a local sandbox. Never send it a live key.", status=401)
        if not key.startswith(_TEST_KEYS) or (requested is not None and key != requested):
            raise StripeError(f"Invalid API Key provided: {key[:8]}****{key[-4:]}", status=401)
        version = request.headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            raise StripeError(f"This sandbox supports only {API_VERSION}, not {version}.", param="Stripe-Version")

    async def _call_once(self, call: ApiCall, path: str) -> ApiResponse:
        if call.key is None:
            return await self._call_with_fault(call, path)
        if len(call.key) > _MAX_IDEMPOTENCY_KEY:
            raise ParameterError(f"Idempotency keys can be at most {_MAX_IDEMPOTENCY_KEY} characters long.")
        if call.key in self._in_flight:
            raise StripeError(
                f"There is currently another in-progress request using this Idempotent Key (that probably "
                f"means you submitted twice, and the other request is still going through): {call.key}. "
                "Please try again later",
                status=409,
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        with self._sandbox.view() as context:
            known = context.replays.find(call.key)
        if known is not None:
            return _replayed_response(known, call)
        self._in_flight.add(call.key)
        try:
            return await self._call_with_fault(call, path)
        finally:
            self._in_flight.discard(call.key)

    async def _call_with_fault(self, call: ApiCall, path: str) -> ApiResponse:
        with self._sandbox.change() as context:
            fault = context.controls.consume_fault(call.operation.method, path) or Fault()
        await asyncio.sleep(fault.delay)
        if fault.status is None:
            response = self._call(call)
        else:
            response = fault_response(fault.status)
            self._save_response(call, response)
        await asyncio.sleep(fault.delay_after)
        return response

    def _call(self, call: ApiCall) -> ApiResponse:
        """Run the operation, and save its response in the same transaction."""
        try:
            with self._sandbox.change(request_id=call.request_id, idempotency_key=call.key) as context:
                params = parse(decode(call.form), call.operation.params)
                call.operation.reject_unsupported(params)
                paths = params.pop("expand", [])
                body = expand(context, call.operation.perform(context, params, *call.ids), paths)
                response = ApiResponse(200, json.dumps(body, indent=2))
                if call.key is not None:
                    context.replays.add(_to_replay(call, response), context.now)
        except StripeError as error:
            response = _error_response(error)
            self._save_response(call, response)
        return response

    def _save_response(self, call: ApiCall, response: ApiResponse) -> None:
        if call.key is not None and response.is_saved:
            with self._sandbox.change() as context:
                context.replays.add(_to_replay(call, response), context.now)


def create_response(response: ApiResponse, request_id: str, key: str | None = None) -> Response:
    """Create a response with the headers that Stripe sends with each."""
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    if key is not None:
        headers["Idempotency-Key"] = key
    if response.replayed:
        headers["Idempotent-Replayed"] = "true"
    if response.status == 409:
        headers["Stripe-Should-Retry"] = "true"
    return Response(response.body, response.status, headers, media_type="application/json")


def fault_response(status: int) -> ApiResponse:
    """Return the response of a planned fault. As at Stripe, a 5xx is saved for its key; 409 and 429 are not."""
    body: Json = {"error": {"type": "api_error", "message": "A planned fault of the sandbox."}}
    if status == 402:
        body["error"] |= {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
    elif status == 409:
        body["error"] |= {"type": "invalid_request_error", "code": "lock_timeout"}
    elif status == 429:
        body["error"] |= {"type": "invalid_request_error", "code": "rate_limit"}
    elif status < 500:
        body["error"] |= {"type": "invalid_request_error"}
    return ApiResponse(status, json.dumps(body), is_saved=status not in {409, 429})


def _error_response(error: StripeError) -> ApiResponse:
    is_saved = not isinstance(error, ParameterError)
    return ApiResponse(error.status, json.dumps(error.body(), indent=2), is_saved=is_saved)


def _to_replay(call: ApiCall, response: ApiResponse) -> Replay:
    return Replay(str(call.key), call.fingerprint, response.status, response.body)


def _replayed_response(known: Replay, call: ApiCall) -> ApiResponse:
    if known.fingerprint != call.fingerprint:
        raise StripeError(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{known.key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    return ApiResponse(known.status, known.body, replayed=True)


def _api_key(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(credentials).decode().partition(":")[0]
        except (NotBase64, UnicodeDecodeError):
            return ""
    return ""
