"""Keys of all issuers of identity tokens, and request headers signed with them."""

import json
from collections.abc import Iterable, Mapping

from cv_common.kernel.identity import GATEWAY, IDENTITY_HEADER, Signer, generate_keys, public_key_of

from cv_testing.workspace import SERVICES

ISSUERS = (GATEWAY, *SERVICES)


class IdentityKeys:
    """A key pair for each issuer."""

    def __init__(self, private: Mapping[str, str]) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> "IdentityKeys":
        """Return new keys for all issuers."""
        return cls({issuer: generate_keys()[0] for issuer in ISSUERS})

    def environment(self, name: str, trusts: Iterable[str] = ISSUERS) -> dict[str, str]:
        """Return the settings of the service `name`: its private key and the public keys of trusted issuers."""
        public = {issuer: public_key_of(self._private[issuer]) for issuer in trusts}
        return {"IDENTITY_PRIVATE_KEY": self._private[name], "IDENTITY_PUBLIC_KEYS": json.dumps(public)}

    def user(self, audience: str, user_id: int, email: str | None = None) -> dict[str, str]:
        """Return the header of a user's request that the gateway sends to the service `audience`."""
        return self._header(GATEWAY, audience, user_id=user_id, email=email)

    def session(self, audience: str, session_id: str) -> dict[str, str]:
        """Return the header for a visitor with an anonymous session."""
        return self._header(GATEWAY, audience, session_id=session_id)

    def stranger(self, audience: str) -> dict[str, str]:
        """Return the header for a visitor without a session."""
        return self._header(GATEWAY, audience)

    def service(self, audience: str, issuer: str) -> dict[str, str]:
        """Return the header of a request from the service `issuer` to the service `audience`."""
        return self._header(issuer, audience)

    def _header(
        self,
        issuer: str,
        audience: str,
        user_id: int | None = None,
        session_id: str | None = None,
        email: str | None = None,
    ) -> dict[str, str]:
        token = Signer(issuer, self._private[issuer]).token(audience, user_id, session_id, email)
        return {IDENTITY_HEADER: token}
