"""The anonymous session's cookie: `<session_id>.<signature>`, so that nobody can choose or guess one.

`sessionid` names the session. Beside it, `sessionid_<first characters of the session id>` marks a session in which
something was created: when the answers to two requests at once each set another `sessionid`, the browser keeps one of
them, but both marks, and what was created in the other session is found.
"""

import base64
import hmac
import re
from dataclasses import dataclass

from cv_gateway.settings import Settings

_NAME = "sessionid"
_SESSION_ID = re.compile(r"[\w-]{32}", re.ASCII)
_MARK_LENGTH = 8
"""Characters of the session id in the name of its mark."""
_BRIEF_MARK_MAX_AGE = 3600
"""Seconds within which answers to requests that were sent before the session's cookie arrived have come."""
_MOST_MARKS = 16
"""Marks that one request may bring; a browser sends what is left with the next one."""


@dataclass(frozen=True, slots=True)
class SentSessions:
    """The sessions that a request's cookies name with true signatures."""

    session_id: str | None = None
    marked: tuple[str, ...] = ()


class Sessions:
    """Reads, sets and deletes the cookie `sessionid` and its marks."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [key.encode() for key in settings.session_keys]
        secure = "; Secure" if settings.https else ""
        flags = f"; Path=/; HttpOnly; SameSite={settings.session_cookie_samesite}{secure}"
        self._kept = f"; Max-Age={settings.session_cookie_max_age}{flags}"
        self._brief = f"; Max-Age={min(_BRIEF_MARK_MAX_AGE, settings.session_cookie_max_age)}{flags}"
        self._dropped = f"=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT{flags}"

    def read(self, cookies: bytes) -> SentSessions:
        """The sessions of a `Cookie` header. Of two that are named `sessionid`, the first with a true signature."""
        session_id: str | None = None
        marked: dict[str, None] = {}
        if _NAME.encode() not in cookies:
            return SentSessions()
        for cookie in cookies.decode("latin-1").split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == _NAME and session_id is None:
                session_id = self._verified(value)
            elif len(marked) < _MOST_MARKS and name == _mark(value):
                verified = self._verified(value)
                if verified is not None:
                    marked[verified] = None
        return SentSessions(session_id, tuple(marked))

    def cookie(self, session_id: str) -> bytes:
        """The `Set-Cookie` that starts or prolongs a session. Raises ValueError for what is no session id."""
        return f"{_NAME}={self._signed(session_id)}{self._kept}".encode()

    def mark(self, session_id: str, *, lasting: bool) -> bytes:
        """The `Set-Cookie` that marks a session in which something was created: as long as the session, or an hour."""
        return f"{_mark(session_id)}={self._signed(session_id)}{self._kept if lasting else self._brief}".encode()

    def end(self) -> bytes:
        """The `Set-Cookie` that deletes the session's cookie."""
        return f"{_NAME}{self._dropped}".encode()

    def unmark(self, session_id: str) -> bytes:
        """The `Set-Cookie` that deletes a session's mark."""
        return f"{_mark(session_id)}{self._dropped}".encode()

    def _signed(self, session_id: str) -> str:
        if not _SESSION_ID.fullmatch(session_id):
            raise ValueError("a session id is 32 URL-safe characters")
        return f"{session_id}.{_signature(self._keys[0], session_id)}"

    def _verified(self, value: str) -> str | None:
        session_id, _, signature = value.partition(".")
        if not _SESSION_ID.fullmatch(session_id):
            return None
        # Compared as bytes: `compare_digest` refuses text that is not ASCII.
        sent = signature.encode("latin-1")
        genuine = any(hmac.compare_digest(_signature(key, session_id).encode(), sent) for key in self._keys)
        return session_id if genuine else None


def _mark(session_id: str) -> str:
    return f"{_NAME}_{session_id[:_MARK_LENGTH]}"


def _signature(key: bytes, session_id: str) -> str:
    digest = hmac.digest(key, session_id.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
