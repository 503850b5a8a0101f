"""The system's secrets on a developer's machine: generated once, stored in the data folder, readable by their owner."""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cv_common.kernel.identity import generate_keys
from cv_testing.identity import ISSUERS, IdentityKeys
from cv_testing.nats import new_password


class Secrets:
    """Named secrets in one file; each is generated on first use."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def password(self, name: str) -> str:
        """Return a password: letters and digits."""
        return self._secret(f"{name} password", new_password)

    def signing_key(self, name: str) -> str:
        """Return the seed of an Ed25519 key, base64url."""
        return self._secret(f"{name} signing key", lambda: generate_keys()[0])

    def token(self, name: str, prefix: str = "") -> str:
        """Return a long random text."""
        return self._secret(name, lambda: prefix + secrets.token_hex(32))

    def identity_keys(self) -> IdentityKeys:
        """Return the key of every issuer of identity tokens."""
        return IdentityKeys({issuer: self.signing_key(f"{issuer} identity") for issuer in ISSUERS})

    def _secret(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._known:
            self._known[name] = make()
            self._write()
        return self._known[name]

    def _write(self) -> None:
        """Replace the file atomically: without its passwords the databases are not accessible."""
        draft = self._file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(self._known, out, indent=2)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(self._file)
