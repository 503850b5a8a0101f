"""The API's door: key, parameters, idempotency, planned faults; then one operation, and its answer."""

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
from cv_stripe_sandbox.params.check import check
from cv_stripe_sandbox.params.forms import decode
from cv_stripe_sandbox.routes.operation import Operation
from cv_stripe_sandbox.sandbox import Sandbox
from cv_stripe_sandbox.shapes import API_VERSION, Json
from cv_stripe_sandbox.store.knobs import Fault
from cv_stripe_sandbox.store.replays import Replay

_LONGEST_KEY = 255
_TEST_KEYS = ("sk_test_", "rk_test_")


@dataclass(frozen=True)
class Call:
    """One request on its way through the door."""

    operation: Operation
    ids: tuple[str, ...]
    form: str
    request_id: str
    key: str | None

    @property
    def fingerprint(self) -> str:
        """Equal for equal requests."""
        said = "\n".join([self.operation.method, self.operation.path, *self.ids, self.form])
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """A status and a JSON text; `kept` when a repeated idempotency key is to get the same."""

    status: int
    body: str
    kept: bool = True
    replayed: bool = False


class Door:
    """Turns operations into routes of the web application."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._in_flight: set[str] = set()

    def route(self, operation: Operation) -> Route:
        """The route at which an operation is called."""

        async def endpoint(request: Request) -> Response:
            return await self._serve(request, operation)

        return Route(operation.path, endpoint, methods=[operation.method])

    async def _serve(self, request: Request, operation: Operation) -> Response:
        request_id = new_id("req_")
        key = request.headers.get("idempotency-key") if operation.method == "POST" else None
        try:
            self._authenticate(request)
            sent = (await request.body()).decode() if operation.method == "POST" else request.url.query
            call = Call(operation, tuple(request.path_params.values()), sent, request_id, key)
            answer = await self._answer(call, request.url.path)
        except StripeError as refusal:
            answer = _refused(refusal)
        return respond(answer, request_id, key)

    def _authenticate(self, request: Request) -> None:
        key = _presented_key(request.headers.get("authorization", ""))
        wanted = self._sandbox.settings.api_key
        if not key:
            raise StripeError(
                "You did not provide an API key. You need to provide your API key in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if key.startswith(("sk_live_", "rk_live_")):
            raise StripeError("This is a local stand-in: never send it a live key.", status=401)
        if not key.startswith(_TEST_KEYS) or (wanted is not None and key != wanted):
            raise StripeError(f"Invalid API Key provided: {key[:8]}****{key[-4:]}", status=401)
        version = request.headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            raise StripeError(f"This stand-in speaks {API_VERSION} only, not {version}.", param="Stripe-Version")

    async def _answer(self, call: Call, path: str) -> Answer:
        if call.key is None:
            return await self._perform(call, path)
        if len(call.key) > _LONGEST_KEY:
            raise ParameterError(f"Idempotency keys can be at most {_LONGEST_KEY} characters long.")
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
            return _replayed(known, call)
        self._in_flight.add(call.key)
        try:
            return await self._perform(call, path)
        finally:
            self._in_flight.discard(call.key)

    async def _perform(self, call: Call, path: str) -> Answer:
        with self._sandbox.change() as context:
            fault = context.knobs.take_fault(call.operation.method, path) or Fault()
        await asyncio.sleep(fault.delay)
        if fault.status is None:
            answer = self._do(call)
        else:
            answer = planned_refusal(fault.status)
            self._remember(call, answer)
        await asyncio.sleep(fault.delay_after)
        return answer

    def _do(self, call: Call) -> Answer:
        """The operation and the memory of its answer, in one transaction."""
        try:
            with self._sandbox.change(request_id=call.request_id, idempotency_key=call.key) as context:
                params = check(decode(call.form), call.operation.params)
                call.operation.refuse_unmodelled(params)
                paths = params.pop("expand", [])
                body = expand(context, call.operation.perform(context, params, *call.ids), paths)
                answer = Answer(200, json.dumps(body, indent=2))
                if call.key is not None:
                    context.replays.add(_replay(call, answer), context.now)
        except StripeError as refusal:
            answer = _refused(refusal)
            self._remember(call, answer)
        return answer

    def _remember(self, call: Call, answer: Answer) -> None:
        if call.key is not None and answer.kept:
            with self._sandbox.change() as context:
                context.replays.add(_replay(call, answer), context.now)


def respond(answer: Answer, request_id: str, key: str | None = None) -> Response:
    """An answer with the headers Stripe puts on every one."""
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    if key is not None:
        headers["Idempotency-Key"] = key
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    if answer.status == 409:
        headers["Stripe-Should-Retry"] = "true"
    return Response(answer.body, answer.status, headers, media_type="application/json")


def planned_refusal(status: int) -> Answer:
    """The error a planned fault answers; as at Stripe, a 5xx is kept for its key, 409 and 429 are not."""
    body: Json = {"error": {"type": "api_error", "message": "The stand-in was told to fail."}}
    if status == 402:
        body["error"] |= {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
    elif status == 409:
        body["error"] |= {"type": "invalid_request_error", "code": "lock_timeout"}
    elif status == 429:
        body["error"] |= {"type": "invalid_request_error", "code": "rate_limit"}
    elif status < 500:
        body["error"] |= {"type": "invalid_request_error"}
    return Answer(status, json.dumps(body), kept=status not in {409, 429})


def _refused(refusal: StripeError) -> Answer:
    kept = not isinstance(refusal, ParameterError)
    return Answer(refusal.status, json.dumps(refusal.body(), indent=2), kept=kept)


def _replay(call: Call, answer: Answer) -> Replay:
    return Replay(str(call.key), call.fingerprint, answer.status, answer.body)


def _replayed(known: Replay, call: Call) -> Answer:
    if known.fingerprint != call.fingerprint:
        raise StripeError(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{known.key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    return Answer(known.status, known.body, replayed=True)


def _presented_key(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(credentials).decode().partition(":")[0]
        except (NotBase64, UnicodeDecodeError):
            return ""
    return ""
