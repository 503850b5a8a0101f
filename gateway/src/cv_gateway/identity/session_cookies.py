"""The cookies of anonymous sessions: `<session_id>.<signature>`. Clients can neither choose nor guess a session.

`sessionid` contains the session. `sessionid_<first characters of the session id>`, its mark, is set when something was
created in a session. If two concurrent responses each start a session, the browser keeps only the last `sessionid`, but
both marks, so that the content of the other session is found.
"""

import hashlib
import re
from dataclasses import dataclass

from itsdangerous import BadSignature, Signer

from cv_gateway.settings import Settings

_NAME = "sessionid"
_SESSION_ID = re.compile(rb"[\w-]{32}", re.ASCII)
_MARK_PREFIX_LENGTH = 8
_BRIEF_MARK_MAX_AGE = 3600
"""Seconds within which all requests have been answered that were sent before the session cookie arrived."""
_MAX_MARKS = 16
"""Marks that are read from one request; the browser sends the others again."""


@dataclass(frozen=True, slots=True)
class SentSessions:
    """The sessions in the cookies of a request whose signatures are valid."""

    session_id: str | None = None
    marked: tuple[str, ...] = ()


class SessionCookies:
    """Reads, sets and deletes the session cookie and its marks."""

    def __init__(self, settings: Settings) -> None:
        # The library signs with the last key. Without key derivation the signature is the plain HMAC of the session
        # id, as in the cookies of earlier releases.
        self._signer = Signer(
            list(reversed(settings.session_keys)), key_derivation="none", digest_method=hashlib.sha256
        )
        secure = "; Secure" if settings.uses_https else ""
        flags = f"; Path=/; HttpOnly; SameSite={settings.session_cookie_samesite}{secure}"
        self._lasting = f"; Max-Age={settings.session_cookie_max_age}{flags}"
        self._brief = f"; Max-Age={min(_BRIEF_MARK_MAX_AGE, settings.session_cookie_max_age)}{flags}"
        self._deleted = f"=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT{flags}"

    def read(self, cookies: bytes) -> SentSessions:
        """Return the sessions of a `Cookie` header. Of several `sessionid` cookies the first valid one counts."""
        session_id: str | None = None
        marked: dict[str, None] = {}
        if _NAME.encode() not in cookies:
            return SentSessions()
        for cookie in cookies.decode("latin-1").split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == _NAME and session_id is None:
                session_id = self._verify(value)
            elif len(marked) < _MAX_MARKS and name == _mark_name(value) and (verified := self._verify(value)):
                marked[verified] = None
        return SentSessions(session_id, tuple(marked))

    def session(self, session_id: str) -> bytes:
        """Return the `Set-Cookie` that starts or extends a session. Raises ValueError for an invalid session id."""
        return f"{_NAME}={self._sign(session_id)}{self._lasting}".encode()

    def mark(self, session_id: str, *, lasting: bool) -> bytes:
        """Return the `Set-Cookie` of a session's mark, which lasts as long as the session or for an hour."""
        return f"{_mark_name(session_id)}={self._sign(session_id)}{self._lasting if lasting else self._brief}".encode()

    def delete(self) -> bytes:
        """Return the `Set-Cookie` that deletes the session cookie."""
        return f"{_NAME}{self._deleted}".encode()

    def delete_mark(self, session_id: str) -> bytes:
        """Return the `Set-Cookie` that deletes a session's mark."""
        return f"{_mark_name(session_id)}{self._deleted}".encode()

    def _sign(self, session_id: str) -> str:
        if not _SESSION_ID.fullmatch(session_id.encode()):
            raise ValueError("a session id has 32 URL-safe characters")
        return self._signer.sign(session_id).decode()

    def _verify(self, value: str) -> str | None:
        try:
            session_id = self._signer.unsign(value)
        except BadSignature:
            return None
        return session_id.decode() if _SESSION_ID.fullmatch(session_id) else None


def _mark_name(session_id: str) -> str:
    return f"{_NAME}_{session_id[:_MARK_PREFIX_LENGTH]}"
