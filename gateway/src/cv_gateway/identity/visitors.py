"""Who is asking: access token and session cookie in, one signed identity token out."""

from dataclasses import dataclass

from cv_common.kernel.identity import GATEWAY, Signer

from cv_gateway.identity.access_tokens import AccessTokens, bearer_token
from cv_gateway.identity.sessions import Sessions
from cv_gateway.request import Request
from cv_gateway.routing import Route
from cv_gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a request speaks for: a user, else an anonymous session, else nobody yet."""

    user_id: int | None = None
    session_id: str | None = None
    email: str | None = None
    """The user's address, for the few endpoints that are told it."""
    marked: tuple[str, ...] = ()
    """Sessions in which something was created, by the marks that came with the request."""
    merged: tuple[str, ...] = ()
    """Sessions that were merged into this one, or had ended: their marks are deleted."""

    @property
    def key(self) -> str | None:
        """Names the user or the session, if it is one."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return f"session:{self.session_id}" if self.session_id is not None else None

    @property
    def unmerged(self) -> list[str]:
        """The marked sessions beside the visitor's own."""
        return [session_id for session_id in self.marked if session_id != self.session_id]


_NOBODY = Visitor()


class Identities:
    """Recognises visitors, and speaks for them to the services."""

    def __init__(self, settings: Settings, access_tokens: AccessTokens, sessions: Sessions) -> None:
        self._access_tokens = access_tokens
        self._sessions = sessions
        self._signer = Signer(GATEWAY, settings.identity_private_key)

    async def visitor(self, request: Request, route: Route) -> Visitor:
        """Who is asking. Raises BadToken, BadAuthorization, or ServiceUnavailable while auth's keys cannot be had."""
        if not route.identified:
            return _NOBODY
        if route.reads_token:
            token = bearer_token(request.headers.get(b"authorization"))
            if token is not None:
                account = await self._access_tokens.account(token)
                return Visitor(user_id=account.user_id, email=account.email if route.tells_email else None)
        cookies = request.headers.get(b"cookie") if route.reads_cookie else None
        if not cookies:
            return _NOBODY
        sent = self._sessions.read(cookies)
        session_id = sent.session_id or next(iter(sent.marked), None)
        return Visitor(session_id=session_id, marked=sent.marked) if session_id else _NOBODY

    def token(self, visitor: Visitor, service: str) -> str:
        """The identity token that tells `service` who is asking."""
        return self._signer.token(service, visitor.user_id, visitor.session_id, visitor.email)
