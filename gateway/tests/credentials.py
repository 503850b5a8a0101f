"""What clients send to identify themselves: access tokens, session cookies and their marks."""

import base64
import hmac

from gateway.tests.world import SESSION_KEY

BAD_TOKEN = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}],
}
SESSION_ID = "AbcDefGhiJklMnoPqrStuVwxYz01234_"
OTHER_SESSION_ID = "-yxwvutsrqponmlkjihgfedcba987654"


def signed(session_id: str, key: str = SESSION_KEY) -> str:
    digest = hmac.digest(key.encode(), session_id.encode(), "sha256")
    return f"{session_id}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def mark(session_id: str) -> str:
    """Return the mark cookie of a session."""
    return f"sessionid_{session_id[:8]}={signed(session_id)}"


def cookie(value: str) -> dict[str, str]:
    return {"Cookie": f"sessionid={value}"}


def two_sessions() -> dict[str, str]:
    return {"Cookie": f"sessionid={signed(SESSION_ID)}; {mark(OTHER_SESSION_ID)}; {mark(SESSION_ID)}"}
