"""Makes the secrets of a `docker compose` system: a folder a service, a file a secret, each made once.

What lies in `/own` is taken instead of being made: `/own/stripe_api_key`, `/own/stripe_webhook_secrets`, and so on.
Runs in auth's image, which has what it takes to make keys.
"""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cv_common.identity import generate_keys, public_of

ROOT, OWN = Path("/secrets"), Path("/own")
SERVICE, POSTGRES, NATS = 10001, 999, 0
"""The users that the images run as."""
CALLERS: dict[str, list[str]] = json.loads(Path("/callers.json").read_text())
ON_THE_BUS = ("auth", "payments", "resumes", "renderer")

WITH_MEDIA = ("templates", "resumes", "renderer")


def kept(folder: str, name: str, make: Callable[[], str], user: int = SERVICE) -> str:
    """The secret `name` of a service: as it is, as the operator wants it, or new."""
    file, own = ROOT / folder / name, OWN / name
    text = own.read_text().strip() if own.exists() else file.read_text() if file.exists() else make()
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o400)
    os.chown(draft, user, user)
    draft.replace(file)
    return text


def identity_key() -> str:
    return generate_keys()[0]


def password() -> str:
    return "p" + secrets.token_hex(24)


def main() -> None:
    """Make what is missing."""
    keys = {name: kept(name, "identity_private_key", identity_key) for name in (*CALLERS, "gateway")}
    kept("postgres", "postgres", password, POSTGRES)
    kept("nats", "operator", password, NATS)
    for service in WITH_MEDIA:
        kept(service, "media_options", lambda: "{}")
    for service, callers in CALLERS.items():
        known = kept("postgres", service, password, POSTGRES)
        kept(service, "database_url", lambda: f"postgresql://{service}:{known}@postgres:5432/{service}")
        kept(service, "identity_public_keys", lambda: json.dumps({name: public_of(keys[name]) for name in callers}))
        if service in ON_THE_BUS:
            on_the_bus = kept("nats", service, password, NATS)
            kept(service, "nats_password", lambda: on_the_bus)
    kept("gateway", "session_keys", lambda: json.dumps([secrets.token_hex(32)]))
    kept("auth", "access_token_keys", lambda: json.dumps([{"kid": "first", "key": identity_key()}]))
    # Without an account at Stripe: keys that only the stand-in of the profile `dev` knows.
    api_key = kept("payments", "stripe_api_key", lambda: f"sk_test_{secrets.token_hex(32)}")
    made = kept("payments", "stripe_webhook_secrets", lambda: json.dumps([f"whsec_sandbox_{secrets.token_hex(32)}"]))
    kept("stripe-sandbox", "api_key", lambda: api_key)
    kept("stripe-sandbox", "webhook_secret", lambda: ",".join(json.loads(made)))
    token = kept("resumes", "linkedin_source_token", lambda: secrets.token_hex(32))
    kept("linkedin-sandbox", "token", lambda: token)


if __name__ == "__main__":
    main()
