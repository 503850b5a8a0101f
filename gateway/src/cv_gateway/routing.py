"""The public routes: a path prefix, the service behind it, and the limits of endpoints that differ.

This is the only list of services and routes. A path without a route is not found, so `/internal/` and the health,
metrics and schema of a service are not reachable.
"""

import re
from dataclasses import dataclass, replace
from functools import partial

from cv_common.kernel.errors import NotFound
from yarl import URL

from cv_gateway.settings import RateLimitName, Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE", "TRACE"}
"""Methods that are forwarded. No service supports TRACE, but a service lists the allowed methods in its 405."""

# No percent sign, no empty, `.` or `..` segment: paths that two parsers could read differently are not found.
_UNAMBIGUOUS_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~:@!$&'()*+,;=-]+)*/?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Service:
    """A service behind the gateway."""

    name: str
    url: URL
    description: str = ""
    """Describes its tag in the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Route:
    """The service of a path prefix or endpoint, with its limits and its use of identity."""

    service: Service
    prefix: str
    read_timeout: float
    body_limit: int
    multipart_limit: int
    max_concurrent: int
    max_concurrent_per_client: int
    is_webhook: bool = False
    has_secret_path: bool = False
    """Whether the path is the address of a private file, which is never logged."""
    sends_identity: bool = True
    """Whether the service receives an identity token; public media need none."""
    accepts_token: bool = True
    """Whether an access token is read; login, register, refresh and the webhook ignore it."""
    accepts_session: bool = True
    """Whether the session cookie is read."""
    sends_email: bool = False
    """Whether the identity token contains the account's e-mail address."""
    buffer_limit: int = 64 * 1024
    """Bytes of a body that are read before the service is called, so that a slow client occupies no service. A login is
    read whole: its rate limit counts by the account in it."""
    rate_limits: tuple[RateLimitName, ...] = ("any",)
    write_rate_limits: tuple[RateLimitName, ...] = ()
    """Further rate limits of unsafe methods."""
    extends_session: bool = False
    """Whether a request renews the session cookie."""
    merges_sessions: bool = False
    """Whether several sessions of one client are merged before the service is called."""


class Router:
    """Finds the route of a path: an endpoint with settings of its own, else its public prefix."""

    def __init__(self, settings: Settings) -> None:
        self.auth = Service("auth", URL(settings.auth_url), "Accounts: registration, login, tokens, profile, password.")
        templates = Service("templates", URL(settings.templates_url), "The designs of a CV.")
        resumes = Service(
            "resumes",
            URL(settings.resumes_url),
            "CVs of an account or an anonymous session, PDFs and imports. CVs of other callers are not found.",
        )
        payments = Service(
            "payments", URL(settings.payments_url), "Payment of a single CV or by subscription, with Stripe."
        )
        renderer = Service("renderer", URL(settings.renderer_url))
        self.services = (self.auth, templates, resumes, payments, renderer)

        route = partial(
            Route,
            read_timeout=settings.read_timeout,
            body_limit=settings.body_limit,
            multipart_limit=settings.body_limit,
            max_concurrent=settings.requests_per_service,
            max_concurrent_per_client=settings.requests_per_address,
        )
        auth_api = route(self.auth, "/api/auth/")
        resumes_api = route(
            resumes,
            "/api/resumes/",
            multipart_limit=settings.photo_body_limit,
            extends_session=True,
            merges_sessions=True,
        )
        payments_api = route(payments, "/api/payments/", extends_session=True, merges_sessions=True)
        self._prefixes = (
            auth_api,
            resumes_api,
            payments_api,
            route(templates, "/api/templates/"),
            route(templates, "/media/templates/", sends_identity=False),
            route(resumes, "/media/resumes/photos/", sends_identity=False, has_secret_path=True),
            route(renderer, "/media/resumes/pdfs/", sends_identity=False, has_secret_path=True),
        )
        endpoints = {
            r"/api/auth/login/": replace(
                auth_api,
                accepts_token=False,
                rate_limits=("any", "login"),
                merges_sessions=True,
                buffer_limit=settings.body_limit,
            ),
            r"/api/auth/(change-password|profile)/": replace(auth_api, write_rate_limits=("password",)),
            r"/api/auth/register/": replace(
                auth_api, accepts_token=False, rate_limits=("any", "register"), merges_sessions=True
            ),
            r"/api/auth/refresh/": replace(auth_api, accepts_token=False),
            r"/api/resumes/import_linkedin/": replace(
                resumes_api,
                read_timeout=settings.import_timeout,
                multipart_limit=settings.import_body_limit,
                sends_email=True,
                rate_limits=("any", "import"),
            ),
            r"/api/resumes/\d+/export_pdf/": replace(
                resumes_api, read_timeout=settings.export_timeout, rate_limits=("any", "export")
            ),
            r"/api/payments/create-checkout/": replace(
                payments_api, read_timeout=settings.checkout_timeout, rate_limits=("any", "checkout")
            ),
            r"/api/payments/webhook/": replace(
                payments_api,
                read_timeout=settings.webhook_timeout,
                max_concurrent=settings.webhooks_at_once,
                max_concurrent_per_client=settings.webhooks_at_once,
                rate_limits=("webhook",),
                is_webhook=True,
                accepts_token=False,
                accepts_session=False,
                extends_session=False,
            ),
        }
        self._endpoints = [(re.compile(pattern), endpoint) for pattern, endpoint in endpoints.items()]

    def find(self, path: str) -> Route:
        """Return the route of a path that `normalize_path` returned. Raises NotFound."""
        for pattern, route in self._endpoints:
            if pattern.fullmatch(path):
                return route
        for route in self._prefixes:
            if path.startswith(route.prefix):
                return route
        raise NotFound


def normalize_path(path: str) -> str:
    """Return the path to route and forward: `/api/` paths end in a slash. Raises NotFound for an ambiguous path."""
    if not _UNAMBIGUOUS_PATH.fullmatch(path):
        raise NotFound
    if path.startswith("/api/") and not path.endswith("/"):
        return path + "/"
    return path
