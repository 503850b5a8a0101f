"""Entity tags: how a client asks for something only if it changed."""

from hashlib import sha256

from starlette.requests import Request


def etag_of(content: bytes) -> str:
    """A strong entity tag: equal for equal bytes only."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def has_current(request: Request, etag: str) -> bool:
    """Does `If-None-Match` say that the client holds this version already? (304 is then the answer to a GET.)"""
    header = request.headers.get("if-none-match")
    if header is None:
        return False
    held = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return header.strip() == "*" or etag in held
