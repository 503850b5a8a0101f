"""The anonymous session's cookie: `<session_id>.<signature>`, so that nobody can choose or guess one."""

import base64
import hmac
import re

from cv_gateway.settings import Settings

_NAME = b"sessionid="
_SESSION_ID = re.compile(r"[\w-]{32}", re.ASCII)


class Sessions:
    """Reads, sets and deletes the cookie `sessionid`."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [key.encode() for key in settings.session_keys]
        secure = "; Secure" if settings.https else ""
        flags = f"; Path=/; HttpOnly; SameSite={settings.session_cookie_samesite}{secure}"
        self._kept = f"; Max-Age={settings.session_cookie_max_age}{flags}"
        self._dropped = f"sessionid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT{flags}".encode()

    def read(self, cookies: bytes) -> str | None:
        """The session id of a `Cookie` header, if one with a true signature is in it."""
        if _NAME not in cookies:
            return None
        for cookie in cookies.split(b";"):
            value = cookie.strip()
            if value.startswith(_NAME):
                session_id = self._verified(value[len(_NAME) :])
                if session_id is not None:
                    return session_id
        return None

    def cookie(self, session_id: str) -> bytes:
        """The `Set-Cookie` that starts or prolongs a session. Raises ValueError for what is no session id."""
        if not _SESSION_ID.fullmatch(session_id):
            raise ValueError("a session id is 32 URL-safe characters")
        return f"sessionid={session_id}.{_signature(self._keys[0], session_id)}{self._kept}".encode()

    def end(self) -> bytes:
        """The `Set-Cookie` that deletes the session's cookie."""
        return self._dropped

    def _verified(self, value: bytes) -> str | None:
        session_id, _, signature = value.decode("latin-1").partition(".")
        if not _SESSION_ID.fullmatch(session_id):
            return None
        # Compared as bytes: `compare_digest` refuses text that is not ASCII.
        sent = signature.encode("latin-1")
        genuine = any(hmac.compare_digest(_signature(key, session_id).encode(), sent) for key in self._keys)
        return session_id if genuine else None


def _signature(key: bytes, session_id: str) -> str:
    digest = hmac.digest(key, session_id.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
