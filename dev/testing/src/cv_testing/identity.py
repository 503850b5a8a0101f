"""Keys for every issuer of identity tokens, and requests signed with them."""

import json
from collections.abc import Iterable, Mapping

from cv_common.kernel.identity import GATEWAY, IDENTITY_HEADER, Signer, generate_keys, public_key_of

ISSUERS = (GATEWAY, "auth", "templates", "resumes", "payments", "renderer")


class IdentityKeys:
    """A key pair for each issuer."""

    def __init__(self, private: Mapping[str, str]) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> "IdentityKeys":
        """New keys for all issuers."""
        return cls({issuer: generate_keys()[0] for issuer in ISSUERS})

    def environment(self, name: str, trusts: Iterable[str] = ISSUERS) -> dict[str, str]:
        """The settings of the service `name`: its own key, and whom it believes."""
        public = {issuer: public_key_of(self._private[issuer]) for issuer in trusts}
        return {"IDENTITY_PRIVATE_KEY": self._private[name], "IDENTITY_PUBLIC_KEYS": json.dumps(public)}

    def user(self, audience: str, user_id: int, email: str | None = None) -> dict[str, str]:
        """The header with which the gateway passes on a user's request to the service `audience`."""
        return self._header(GATEWAY, audience, user_id=user_id, email=email)

    def session(self, audience: str, session_id: str) -> dict[str, str]:
        """The same for a visitor with a session and no account."""
        return self._header(GATEWAY, audience, session_id=session_id)

    def stranger(self, audience: str) -> dict[str, str]:
        """The same for a visitor who is nobody yet."""
        return self._header(GATEWAY, audience)

    def service(self, audience: str, issuer: str) -> dict[str, str]:
        """The header with which the service `issuer` calls the service `audience`."""
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
