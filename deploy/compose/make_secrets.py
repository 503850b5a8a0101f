"""Writes the secrets of a `docker compose` system: one folder per service, one file per secret.

A file of the operator under `/own`, such as `/own/payments/stripe_api_key`, is copied. A missing secret is generated
once. A secret that depends on others is written at every start. Runs in the image of auth, which can generate keys.
"""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from cv_common.kernel.identity import generate_keys, public_key_of

ROOT, OWN = Path("/secrets"), Path("/own")
USERS = {"postgres": 999, "nats": 0}
"""User ids that own the folders of these images. `SERVICE_USER` owns all other folders."""
SERVICE_USER = 10001
CALLERS: dict[str, list[str]] = json.loads(Path("/callers.json").read_text())


def ensure_secret(folder: str, name: str, make: Callable[[], str]) -> str:
    """Write the secret `name` of a service and return it: the operator's, the existing one, or a new one."""
    file, own = ROOT / folder / name, OWN / folder / name
    text = own.read_text().strip() if own.exists() else file.read_text() if file.exists() else make()
    write(file, text, USERS.get(folder, SERVICE_USER))
    return text


def ensure_sandbox_secret(folder: str, name: str, make: Callable[[], str]) -> str:
    """Write a secret of a service and return one for its sandbox: the same, unless it is the operator's."""
    secret = ensure_secret(folder, name, make)
    return make() if (OWN / folder / name).exists() else secret


def write_derived(folder: str, name: str, text: str) -> None:
    """Write a secret that depends on others, unless the operator has another."""
    own = OWN / folder / name
    write(ROOT / folder / name, own.read_text().strip() if own.exists() else text, USERS.get(folder, SERVICE_USER))


def write(file: Path, text: str, user: int) -> None:
    """Replace a file atomically. Only `user` can read it."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o400)
    os.chown(draft, user, user)
    draft.replace(file)


def identity_key() -> str:
    """Return the seed of an Ed25519 key."""
    return generate_keys()[0]


def password() -> str:
    """Return a random password. It begins with a letter, because NATS parses it as a value of its configuration."""
    return "p" + secrets.token_hex(24)


def write_service_secrets(service: str, keys: dict[str, str]) -> None:
    """Write the secrets that a service reads."""
    database_password = ensure_secret("postgres", service, password)
    write_derived(
        service, "database_url", f"postgresql://{service}:{quote(database_password, safe='')}@postgres/{service}"
    )
    trusted_keys = {caller: public_key_of(keys[caller]) for caller in CALLERS[service]}
    write_derived(service, "identity_public_keys", json.dumps(trusted_keys))
    write_derived(service, "nats_password", ensure_secret("nats", service, password))
    if (OWN / service / "media_options").exists() or (ROOT / service / "media_options").exists():
        write_derived(service, "media_options", "{}")  # also after the operator removed it


def main() -> None:
    """Write the secrets of all services, servers and sandboxes."""
    keys = {name: ensure_secret(name, "identity_private_key", identity_key) for name in (*CALLERS, "gateway")}
    ensure_secret("postgres", "postgres", password)
    ensure_secret("nats", "operator", password)
    for service in CALLERS:
        write_service_secrets(service, keys)
    ensure_secret("gateway", "session_keys", lambda: json.dumps([secrets.token_hex(32)]))
    ensure_secret("auth", "access_token_keys", lambda: json.dumps([{"kid": "first", "key": identity_key()}]))
    # Without a Stripe account: keys that only the sandbox of the profile `dev` accepts.
    api_key = ensure_sandbox_secret("payments", "stripe_api_key", lambda: f"sk_test_{secrets.token_hex(32)}")
    write_derived("stripe-sandbox", "api_key", api_key)
    webhook_secrets = ensure_sandbox_secret(
        "payments", "stripe_webhook_secrets", lambda: json.dumps([f"whsec_sandbox_{secrets.token_hex(32)}"])
    )
    write_derived("stripe-sandbox", "webhook_secret", ",".join(json.loads(webhook_secrets)))
    write_derived(
        "linkedin-sandbox",
        "token",
        ensure_sandbox_secret("resumes", "linkedin_source_token", lambda: secrets.token_hex(32)),
    )


if __name__ == "__main__":
    main()
