"""The environment variables of the gateway, typed, read once."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cv_common.kernel.settings import CallerSettings
from limits import parse
from pydantic import AfterValidator, Field, StringConstraints, field_validator

_MIB = 1024 * 1024

SessionKey = Annotated[str, StringConstraints(min_length=32)]
TrustedNetworks = tuple[IPv4Network | IPv6Network, ...]


def _check_rate(rate: str) -> str:
    parse(rate)
    return rate


Rate = Annotated[str, AfterValidator(_check_rate)]
RateLimitName = Literal["any", "login", "register", "export", "import", "checkout", "password", "webhook"]
RateLimitScope = Literal["address", "caller", "account"]
"""The key of a counter: the client network, the user or anonymous session, or the account of a login by address."""
RateLimits = dict[RateLimitName, dict[RateLimitScope, Rate]]

RATE_LIMITS: RateLimits = {
    "any": {"address": "1800/minute", "caller": "600/minute"},
    "login": {"address": "20/minute", "account": "5/minute"},
    "register": {"address": "30/hour"},
    "export": {"address": "60/minute", "caller": "20/minute"},
    "import": {"address": "60/hour", "caller": "20/hour"},
    "checkout": {"address": "60/minute", "caller": "20/minute"},
    "password": {"caller": "60/hour"},
    "webhook": {"address": "12000/minute"},
}
"""The default rates. Offices and schools share an address, so its rates are higher. Every request counts as `any` and
as its own limit; a webhook counts as `webhook` only, because bursts of them come from few addresses."""


class Settings(CallerSettings):
    """Service URLs, secrets, and the limits of a request."""

    auth_url: str
    templates_url: str
    resumes_url: str
    payments_url: str
    renderer_url: str

    session_keys: Annotated[tuple[SessionKey, ...], Field(min_length=1)]
    """Secrets of the session cookie's signature. The first one signs, all verify."""
    session_cookie_samesite: Literal["Lax", "Strict", "None"] = "Lax"
    session_cookie_max_age: int = 90 * 24 * 3600
    """Seconds since the last request; the retention of anonymous CVs."""

    cors_allowed_origins: tuple[str, ...] = ()
    """Origins of frontends, such as `https://cv.example`. The origin of the public URL is always allowed."""
    cors_allow_localhost: bool = False
    """Whether `http://localhost` and `http://127.0.0.1` are allowed origins on every port; for development only."""

    rate_limits_enabled: bool = True
    rate_limits: RateLimits = Field(default_factory=lambda: RATE_LIMITS)
    """Rates that differ from the defaults, such as `{"login": {"address": "40/minute"}}`."""
    rate_limits_url: str | None = None
    """`valkey://…` or `redis://…`: the counters that all replicas share. Without it each replica counts for itself."""
    trusted_proxies: TrustedNetworks = ()
    """Networks of the proxies in front of the gateway, whose `X-Forwarded-For` is trusted."""

    ops_host: str = "127.0.0.1"
    ops_port: int | None = None
    """The unpublished port of `/metrics` and `/readyz`. Without it they are not served."""

    body_limit: int = _MIB
    """Bytes."""
    photo_body_limit: int = 6 * _MIB
    """Bytes of a multipart CV, which may contain a photo."""
    import_body_limit: int = 20 * _MIB
    """Bytes of a multipart import."""
    body_grace: float = 10
    """Seconds that a request body may be behind `body_rate`."""
    body_rate: int = 24 * 1024
    """The minimum rate of request bodies and of long responses, in bytes a second. The largest photo takes four
    minutes."""
    long_bodies: int = 64 * _MIB
    """Bytes of streamed bodies in flight to one service. A service may hold each byte twice: its memory is sized for
    that."""
    long_bodies_per_address: int = 24 * _MIB
    """Bytes that one client network may have in flight. Applies only while rate limits are enabled."""
    long_body_patience: float = 5
    """Seconds that a streamed body waits for free bytes before it is refused."""

    answer_grace: float = 60
    """Seconds that a client may be behind `body_rate` in reading a long response before it is disconnected."""

    connect_timeout: float = 1
    read_timeout: float = 10
    """Seconds without data from a service before 504."""
    checkout_timeout: float = 20
    import_timeout: float = 30
    export_timeout: float = 60
    webhook_timeout: float = 30
    """A burst of webhooks is stored one by one, and Stripe repeats a refused one only after hours."""
    requests_per_service: int = 256
    """Requests in progress at one service; further ones are refused."""
    requests_per_address: int = 64
    """Requests that one client network may have in progress. Applies only while rate limits are enabled."""
    webhooks_at_once: int = 2048
    """Webhooks in progress, in addition to the other requests of their service."""

    @field_validator("rate_limits")
    @classmethod
    def _merge_defaults(cls, changes: RateLimits) -> RateLimits:
        return {name: {**rates, **changes.get(name, {})} for name, rates in RATE_LIMITS.items()}

    @property
    def uses_https(self) -> bool:
        """Return whether browsers reach the system by https."""
        return urlsplit(self.public_base_url).scheme == "https"

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Return the origins of the frontends and of the public URL."""
        public = urlsplit(self.public_base_url)
        return frozenset({f"{public.scheme}://{public.netloc}", *self.cors_allowed_origins})
