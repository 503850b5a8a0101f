"""What is public: a prefix, the service behind it, and the figures of the endpoints that differ.

This is the only list. A path that is not under one of these prefixes does not exist, so `/internal/` cannot be
reached, and neither can a service's health, metrics or schema.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from cv_common.kernel.errors import NotFound

from cv_gateway.settings import Limited, Settings

Lane = Literal["visits", "webhooks"]

READING = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = READING | {"POST", "PUT", "PATCH", "DELETE", "TRACE"}
"""What services know; none of them does anything for TRACE, but each says what may be done instead."""

# No percent sign, no empty, `.` or `..` segment: what two parsers could read in two ways is not found at all.
_PLAIN = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~:@!$&'()*+,;=-]+)*/?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes, and what it may cost."""

    service: str
    prefix: str
    read_timeout: float
    body_limit: int
    multipart_limit: int
    at_once: int
    """Requests that may be under way at a time; more are refused, so that a slow service holds up no other."""
    at_once_per_address: int
    """Requests of those that may come from one network address, so that nobody's slow reading shuts out the others."""
    lane: Lane = "visits"
    """Whose places it takes at its service: webhooks come in bursts, and neither wait for visits nor hold them up."""
    private: bool = False
    """Whether a path names somebody's file, so that it is never written to a log."""
    identified: bool = True
    """Whether the service is told who is asking; public media are nobody's."""
    reads_token: bool = True
    """Whether an access token counts; login, register, refresh and the webhook ignore it."""
    tells_email: bool = False
    """Whether the service is told the e-mail address of a user's account."""
    reads_cookie: bool = True
    """Whether the anonymous session's cookie counts."""
    gathered: int = 64 * 1024
    """Bytes up to which a body is read before the service is called: then a slow client costs the service nothing. A
    login's is read whole, so that the account it names is known and counted."""
    limits: tuple[Limited, ...] = ("any",)
    """Which of the rate limits a request counts for."""
    write_limits: tuple[Limited, ...] = ()
    """Which others it counts for unless it only reads."""
    sessions: bool = False
    """Whether a visit prolongs the anonymous session's cookie."""
    merges_sessions: bool = False
    """Whether several sessions that a visitor's cookies name become one before the service is asked."""


class Router:
    """Finds the route of a path: the endpoints with figures of their own, then the longest public prefix."""

    def __init__(self, settings: Settings) -> None:
        limits = (
            settings.read_timeout,
            settings.body_limit,
            settings.body_limit,
            settings.requests_per_service,
            settings.requests_per_address,
        )
        auth = Route("auth", "/api/auth/", *limits)
        templates = Route("templates", "/api/templates/", *limits)
        resumes = replace(
            Route("resumes", "/api/resumes/", *limits),
            sessions=True,
            merges_sessions=True,
            multipart_limit=settings.photo_body_limit,
        )
        payments = Route("payments", "/api/payments/", *limits, sessions=True, merges_sessions=True)
        media = (
            Route("templates", "/media/templates/", *limits, identified=False),
            Route("resumes", "/media/resumes/photos/", *limits, identified=False, private=True),
            Route("renderer", "/media/resumes/pdfs/", *limits, identified=False, private=True),
        )
        linkedin = replace(
            resumes,
            read_timeout=settings.import_timeout,
            multipart_limit=settings.import_body_limit,
            tells_email=True,
            limits=("any", "import"),
        )
        webhook = replace(
            payments,
            read_timeout=settings.webhook_timeout,
            at_once=settings.webhooks_at_once,
            at_once_per_address=settings.webhooks_at_once,
            limits=("webhook",),
            lane="webhooks",
            reads_token=False,
            reads_cookie=False,
            sessions=False,
        )
        endpoints = {
            r"/api/auth/login/": replace(
                auth,
                reads_token=False,
                limits=("any", "login"),
                merges_sessions=True,
                gathered=settings.body_limit,
            ),
            r"/api/auth/(change-password|profile)/": replace(auth, write_limits=("password",)),
            r"/api/auth/register/": replace(auth, reads_token=False, limits=("any", "register"), merges_sessions=True),
            r"/api/auth/refresh/": replace(auth, reads_token=False),
            r"/api/resumes/import_linkedin/": linkedin,
            r"/api/resumes/\d+/export_pdf/": replace(
                resumes, read_timeout=settings.export_timeout, limits=("any", "export")
            ),
            r"/api/payments/create-checkout/": replace(
                payments, read_timeout=settings.checkout_timeout, limits=("any", "checkout")
            ),
            r"/api/payments/webhook/": webhook,
        }
        self._endpoints = [(re.compile(pattern), route) for pattern, route in endpoints.items()]
        public = (auth, templates, resumes, payments, *media)
        self._longest_first = sorted(public, key=lambda route: -len(route.prefix))

    def find(self, path: str) -> Route:
        """The route of a path in the form that `normalised` gives. Raises NotFound."""
        for pattern, route in self._endpoints:
            if pattern.fullmatch(path):
                return route
        for route in self._longest_first:
            if path.startswith(route.prefix):
                return route
        raise NotFound


def normalised(path: str) -> str:
    """A request's path as it is routed and passed on: `/api/` paths end in a slash. Raises NotFound."""
    if not _PLAIN.fullmatch(path):
        raise NotFound
    if path.startswith("/api/") and not path.endswith("/"):
        return path + "/"
    return path
