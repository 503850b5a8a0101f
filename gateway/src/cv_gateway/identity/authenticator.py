"""Authenticates requests by access token or session cookie, and signs identity tokens for the services."""

from dataclasses import dataclass

from cv_common.kernel.identity import GATEWAY, Signer

from cv_gateway.identity.access_tokens import AccessTokens, bearer_token
from cv_gateway.identity.session_cookies import SessionCookies
from cv_gateway.request import Request
from cv_gateway.routing import Route, Service
from cv_gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request: a user, an anonymous session, or neither."""

    user_id: int | None = None
    session_id: str | None = None
    email: str | None = None
    """The user's address, for the few endpoints that need it."""
    marked: tuple[str, ...] = ()
    """The sessions of the mark cookies of the request."""
    merged: tuple[str, ...] = ()
    """Sessions that were merged into this one, or had ended; their marks are deleted."""

    @property
    def key(self) -> str | None:
        """Return what identifies the user or session in rate limits."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return f"session:{self.session_id}" if self.session_id is not None else None

    @property
    def unmerged(self) -> list[str]:
        """Return the marked sessions other than `session_id`."""
        return [session_id for session_id in self.marked if session_id != self.session_id]


_UNKNOWN = Principal()


class Authenticator:
    """Determines the principal of a request, and signs identity tokens."""

    def __init__(self, settings: Settings, access_tokens: AccessTokens) -> None:
        self._access_tokens = access_tokens
        self._cookies = SessionCookies(settings)
        self._signer = Signer(GATEWAY, settings.identity_private_key)

    async def authenticate(self, request: Request, route: Route) -> Principal:
        """Return the principal of a request. An access token takes precedence over cookies.

        Raises InvalidAccessToken, MalformedAuthorization, or ServiceUnavailable if auth's keys are unavailable.
        """
        if not route.sends_identity:
            return _UNKNOWN
        if route.accepts_token:
            token = bearer_token(request.headers.get(b"authorization"))
            if token is not None:
                claims = await self._access_tokens.verify(token)
                return Principal(user_id=claims.user_id, email=claims.email if route.sends_email else None)
        cookies = request.headers.get(b"cookie") if route.accepts_session else None
        if not cookies:
            return _UNKNOWN
        sent = self._cookies.read(cookies)
        session_id = sent.session_id or next(iter(sent.marked), None)
        return Principal(session_id=session_id, marked=sent.marked) if session_id else _UNKNOWN

    def identity_token(self, principal: Principal, service: Service) -> str:
        """Return the token that identifies the principal to `service`."""
        return self._signer.token(service.name, principal.user_id, principal.session_id, principal.email)
