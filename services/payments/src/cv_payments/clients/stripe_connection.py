"""The connection to Stripe, through its own client: limits, repetitions, and what its many errors come down to."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from typing import TypeVar

import aiohttp
import stripe
from cv_common.kernel import tcp

Answer = TypeVar("Answer")

stripe.enable_telemetry = False  # it would write a file into the home directory
logging.getLogger("stripe").setLevel(logging.WARNING)  # below, its lines hold addresses and bodies


class StripeDown(Exception):
    """Stripe cannot be reached, is too slow, or does not serve us now.

    `answered`: it said so itself, and says so again whenever it is asked with the same idempotency key.
    """

    def __init__(self, message: str, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class StripeRefused(Exception):
    """Stripe calls the request wrong: asking again will not help."""

    def __init__(self, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class StripeMissing(StripeRefused):
    """There is no such object in this account and mode."""

    @property
    def is_customer(self) -> bool:
        """Whether it is the customer that somebody has deleted at Stripe."""
        return self.param == "customer"


class StripeConnection:
    """One connection pool to Stripe for the whole process."""

    name = "stripe"
    WITHIN = 8.0
    """Seconds that one call may take, its repetitions included."""
    _ANSWER, _CONNECT, _REPETITIONS = 4.0, 2.0, 2
    _REUSE = 5.0
    """Seconds for which an idle connection is used again: longer than inside, because a new one needs a handshake."""
    _NOT_KEPT = (None, 409, 429)
    """Answers that say nothing of how the call ends: none at all, "it is being done already", "not now"."""

    def __init__(self, api_key: str, api_base: str | None) -> None:
        self._api_key = api_key
        self._api_base = api_base
        self._http: stripe.AIOHTTPClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self._stripe: stripe.StripeClient | None = None

    async def start(self) -> None:
        context = ssl.create_default_context(cafile=stripe.ca_bundle_path)
        self._session = aiohttp.ClientSession(connector=tcp.http_connector(32, self._REUSE, context), trust_env=True)
        limits = aiohttp.ClientTimeout(total=self._ANSWER, sock_connect=self._CONNECT)
        self._stripe = stripe.StripeClient(
            self._api_key,
            base_addresses={"api": self._api_base} if self._api_base else {},
            max_network_retries=self._REPETITIONS,
            http_client=stripe.AIOHTTPClient(timeout=limits, session=self._session),
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def check(self) -> str | None:
        """Stripe's troubles show in what waits for it."""
        return None

    @property
    def v1(self) -> stripe.V1Services:
        """The client, a call of which `answer` awaits."""
        assert self._stripe is not None, "start() comes first"
        return self._stripe.v1

    async def answer(self, call: Awaitable[Answer]) -> Answer:
        """What Stripe answers. Raises StripeDown, StripeRefused, StripeMissing and nothing else."""
        try:
            async with asyncio.timeout(self.WITHIN):
                return await call
        except stripe.InvalidRequestError as error:
            kind = StripeMissing if error.code == "resource_missing" else StripeRefused
            raise kind(f"{error.code}: {error.user_message}", error.code, error.param) from error
        except stripe.IdempotencyError as error:
            raise StripeRefused(str(error.user_message), "idempotency_error") from error
        except stripe.StripeError as error:
            message = f"{type(error).__name__} {error.http_status or ''}".strip()
            raise StripeDown(message, answered=error.http_status not in self._NOT_KEPT) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise StripeDown(type(error).__name__) from error
