"""The connection to Stripe through its own client: timeouts, retries, and three errors instead of Stripe's many."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from typing import TypeVar

import aiohttp
import stripe
from cv_common.kernel import tcp
from cv_common.kernel.errors import DetailError, ServiceUnavailable

Result = TypeVar("Result")

stripe.enable_telemetry = False  # it would write a file into the home directory
logging.getLogger("stripe").setLevel(logging.WARNING)  # lower levels log URLs and bodies


class StripeUnavailable(ServiceUnavailable):
    """503: Stripe cannot be reached, is too slow, or does not serve this request now.

    `answered`: Stripe has answered with an error, and repeats it for the same idempotency key.
    """

    def __init__(self, reason: str, answered: bool = False) -> None:
        super().__init__("The payment service is not available, try again later.")
        self.args = (reason,)
        self.answered = answered


class StripeRequestError(DetailError):
    """500: Stripe rejects the request. A retry will not help."""

    def __init__(self, reason: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__()
        self.args = (reason,)
        self.code = code
        self.param = param


class StripeNotFound(StripeRequestError):
    """The object does not exist in this account and mode."""

    @property
    def is_customer(self) -> bool:
        """Return whether the missing object is the customer, which was deleted at Stripe."""
        return self.param == "customer"


class StripeConnection:
    """One connection pool to Stripe for the whole process."""

    name = "stripe"
    TIMEOUT = 8.0
    """Seconds that one call may take, retries included."""
    _ATTEMPT_TIMEOUT, _CONNECT_TIMEOUT, _RETRIES = 4.0, 2.0, 2
    _KEEP_ALIVE = 5.0
    """Seconds for which an idle connection is reused: longer than between services, because of the TLS handshake."""
    _NOT_STORED = (None, 409, 429)
    """Statuses that Stripe does not repeat for an idempotency key: no answer, conflict, rate limit."""

    def __init__(self, api_key: str, api_base: str | None) -> None:
        self._api_key = api_key
        self._api_base = api_base
        self._session: aiohttp.ClientSession | None = None
        self._stripe: stripe.StripeClient | None = None

    async def start(self) -> None:
        context = ssl.create_default_context(cafile=stripe.ca_bundle_path)
        connector = tcp.http_connector(32, self._KEEP_ALIVE, context)
        self._session = aiohttp.ClientSession(connector=connector, trust_env=True)
        timeout = aiohttp.ClientTimeout(total=self._ATTEMPT_TIMEOUT, sock_connect=self._CONNECT_TIMEOUT)
        self._stripe = stripe.StripeClient(
            self._api_key,
            base_addresses={"api": self._api_base} if self._api_base else {},
            max_network_retries=self._RETRIES,
            http_client=stripe.AIOHTTPClient(timeout=timeout, session=self._session),
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def check(self) -> str | None:
        """Return None: the job queues report what waits for Stripe."""
        return None

    @property
    def v1(self) -> stripe.V1Services:
        """Return Stripe's client. Pass its calls to `request`."""
        assert self._stripe is not None, "start() comes first"
        return self._stripe.v1

    async def request(self, call: Awaitable[Result]) -> Result:
        """Await a call of the client. Raises StripeUnavailable, StripeRequestError and StripeNotFound only."""
        try:
            async with asyncio.timeout(self.TIMEOUT):
                return await call
        except stripe.InvalidRequestError as error:
            kind = StripeNotFound if error.code == "resource_missing" else StripeRequestError
            raise kind(f"{error.code}: {error.user_message}", error.code, error.param) from error
        except stripe.IdempotencyError as error:
            raise StripeRequestError(str(error.user_message), "idempotency_error") from error
        except stripe.StripeError as error:
            reason = f"{type(error).__name__} {error.http_status or ''}".strip()
            raise StripeUnavailable(reason, answered=error.http_status not in self._NOT_STORED) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise StripeUnavailable(type(error).__name__) from error
