"""Accounts, and fakes of the services that auth calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cv_common.kernel.identity import IDENTITY_HEADER, Verifier, generate_keys
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PASSWORD = "SecurePass123!"
KEY, OLDER_KEY = generate_keys()[0], generate_keys()[0]
KEYS = [{"kid": "new", "key": KEY}, {"kid": "old", "key": OLDER_KEY}]


@dataclass(frozen=True)
class Claim:
    """A call that ended a session, as a fake service received it."""

    service: str
    session_id: str
    into: int | str
    """The account that claimed the session, or the session that it was merged into."""
    issuer: str


@dataclass
class FakeServices:
    """Fakes of resumes and payments on one port, below `/resumes` and `/payments`; those in `silent` never answer."""

    public_keys: Mapping[str, str]
    claims: list[Claim] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    async def claim(self, request: Request) -> Response:
        service, session_id = request.path_params["service"], request.path_params["session_id"]
        (into,) = (await request.json()).values()
        caller = Verifier(service, self.public_keys).verify(request.headers[IDENTITY_HEADER])
        if service in self.silent:
            await request.receive()  # the caller gives up
            return Response(status_code=504)
        status = self.statuses.get(service, 204)
        if status == 204:
            self.claims.append(Claim(service, session_id, into, caller.issuer))
        return Response(status_code=status)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route(f"/{{service}}/internal/sessions/{{session_id}}/{end}/", self.claim, methods=["POST"])
                for end in ("claim", "merge")
            ]
        )

    def claims_of(self, session_id: str) -> dict[str, Claim]:
        """The claims of one session, by service."""
        return {claim.service: claim for claim in self.claims if claim.session_id == session_id}


def full_width(text: str) -> str:
    """`text` in full-width letters, a compatibility form of ASCII."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


@dataclass(frozen=True)
class Account:
    """A registered account, and the headers of the gateway for its requests."""

    profile: dict[str, Any]
    headers: dict[str, str]

    @property
    def id(self) -> int:
        return int(self.profile["id"])

    @property
    def email(self) -> str:
        return str(self.profile["email"])
