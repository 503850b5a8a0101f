"""Every environment variable of the gateway, typed, read once."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cv_common.kernel.settings import ServiceSettings
from limits import parse
from pydantic import AfterValidator, Field, StringConstraints, field_validator

_MIB = 1024 * 1024

SessionKey = Annotated[str, StringConstraints(min_length=32)]
TrustedNetworks = tuple[IPv4Network | IPv6Network, ...]


def _readable(rate: str) -> str:
    parse(rate)
    return rate


Rate = Annotated[str, AfterValidator(_readable)]
Limited = Literal["any", "login", "register", "export", "import", "checkout", "password", "webhook"]
Whose = Literal["address", "caller", "account"]
RateLimits = dict[Limited, dict[Whose, Rate]]

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
"""How often: from one network address (offices and schools share one), by one user or anonymous session, and at one
account's password from one address. Every request counts as `any`, and as what else it is; a webhook, which comes in
storms from few addresses, counts as that alone."""


class Settings(ServiceSettings):
    """Addresses of the services, secrets of the edge, and the figures that bound a request."""

    identity_public_keys: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """The gateway believes nobody's identity token: it makes them."""

    auth_url: str
    templates_url: str
    resumes_url: str
    payments_url: str
    renderer_url: str

    session_keys: Annotated[tuple[SessionKey, ...], Field(min_length=1)]
    """Secrets of the session cookie's signature: the first signs, all verify."""
    session_cookie_samesite: Literal["Lax", "Strict", "None"] = "Lax"
    session_cookie_max_age: int = 90 * 24 * 3600
    """Seconds; rolling, as long as anonymous CVs are kept."""

    cors_allowed_origins: tuple[str, ...] = ()
    """Origins of frontends, such as `https://cv.example`; the public URL's own origin is always one."""

    rate_limits_enabled: bool = True
    rate_limits: RateLimits = Field(default_factory=lambda: RATE_LIMITS)
    """Figures that differ from `RATE_LIMITS`, such as `{"login": {"address": "40/minute"}}`."""
    rate_limits_url: str | None = None
    """`valkey://…` or `redis://…`, where several replicas count together; none: each counts for itself."""
    trusted_proxies: TrustedNetworks = ()
    """Networks of the proxies before the gateway, whose `X-Forwarded-For` is believed."""

    ops_host: str = "127.0.0.1"
    ops_port: int | None = None
    """The unpublished port of `/metrics` and `/readyz`; none: not served."""

    body_limit: int = _MIB
    photo_body_limit: int = 6 * _MIB
    """For multipart bodies of CVs, which bring a photo."""
    import_body_limit: int = 20 * _MIB
    body_grace: float = 10
    """Seconds that a request's body may be behind `body_rate`; those that it is ahead are not saved up."""
    body_rate: int = 24 * 1024
    """Bytes a second that a body must come at, and a long answer be taken at: the largest photo takes four minutes."""
    long_bodies: int = 64 * _MIB
    """Bytes that long bodies to one service may have together. It may hold each twice: its memory is sized by this."""
    long_bodies_per_address: int = 24 * _MIB
    """Bytes of those that may come from one network address, while rate limits are enabled."""
    long_body_patience: float = 5
    """Seconds that a long body waits for others to end, before it is refused."""

    answer_grace: float = 60
    """Seconds that a client may be behind `body_rate` in taking a long answer, before it is cut off."""

    connect_timeout: float = 1
    read_timeout: float = 10
    """Seconds of silence of a service, before 504."""
    checkout_timeout: float = 20
    import_timeout: float = 30
    export_timeout: float = 60
    webhook_timeout: float = 30
    """A burst of them is kept one after the other, and a refused one comes again after hours only."""
    requests_per_service: int = 256
    """Requests that may wait for one service at a time; more are refused, so that a slow one holds up no other."""
    requests_per_address: int = 64
    """Requests of those that may come from one network address, while rate limits are enabled."""
    webhooks_at_once: int = 2048
    """Webhooks that may wait at a time, beside the other requests of their service."""

    @field_validator("rate_limits")
    @classmethod
    def _over_defaults(cls, changes: RateLimits) -> RateLimits:
        return {name: {**rates, **changes.get(name, {})} for name, rates in RATE_LIMITS.items()}

    @property
    def https(self) -> bool:
        """Whether browsers reach the system by https."""
        return urlsplit(self.public_base_url).scheme == "https"

    @property
    def origins(self) -> frozenset[str]:
        """Every origin that may send cookies: the frontends and the public URL's own."""
        public = urlsplit(self.public_base_url)
        return frozenset({f"{public.scheme}://{public.netloc}", *self.cors_allowed_origins})
