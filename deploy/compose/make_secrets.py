"""Makes the secrets of a `docker compose` system: a folder a service, a file a secret.

What an operator put under `/own`, such as `/own/payments/stripe_api_key`, is taken as it is; what is missing is made
once; what follows from other secrets is written anew. Runs in auth's image, which has what it takes to make keys.
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
"""Who reads a folder: the users of those images, and everywhere else ours."""
OURS = 10001
CALLERS: dict[str, list[str]] = json.loads(Path("/callers.json").read_text())
ON_THE_BUS = ("auth", "payments", "resumes", "renderer")
WITH_MEDIA = ("templates", "resumes", "renderer")


def kept(folder: str, name: str, make: Callable[[], str]) -> str:
    """The secret `name` of a service: the operator's, the one it has, or a new one."""
    file, own = ROOT / folder / name, OWN / folder / name
    text = own.read_text().strip() if own.exists() else file.read_text() if file.exists() else make()
    write(file, text, USERS.get(folder, OURS))
    return text


def shared(folder: str, name: str, make: Callable[[], str]) -> str:
    """A secret of a service that its stand-in may know too: the operator's own is not, it gets another."""
    made = kept(folder, name, make)
    return make() if (OWN / folder / name).exists() else made


def derived(folder: str, name: str, text: str) -> None:
    """A secret that follows from others, unless the operator has another."""
    own = OWN / folder / name
    write(ROOT / folder / name, own.read_text().strip() if own.exists() else text, USERS.get(folder, OURS))


def write(file: Path, text: str, user: int) -> None:
    """Replace a file in one step, for its reader's eyes only."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o400)
    os.chown(draft, user, user)
    draft.replace(file)


def identity_key() -> str:
    """The seed of an Ed25519 key."""
    return generate_keys()[0]


def password() -> str:
    """Letters and digits, a letter first: NATS reads it as a value of its configuration."""
    return "p" + secrets.token_hex(24)


def make_service(service: str, keys: dict[str, str]) -> None:
    """What every service needs, as far as it needs it."""
    database_password = kept("postgres", service, password)
    derived(service, "database_url", f"postgresql://{service}:{quote(database_password, safe='')}@postgres/{service}")
    believed = {caller: public_key_of(keys[caller]) for caller in CALLERS[service]}
    derived(service, "identity_public_keys", json.dumps(believed))
    if service in ON_THE_BUS:
        derived(service, "nats_password", kept("nats", service, password))
    if service in WITH_MEDIA:
        derived(service, "media_options", "{}")


def main() -> None:
    """Make what is missing."""
    keys = {name: kept(name, "identity_private_key", identity_key) for name in (*CALLERS, "gateway")}
    kept("postgres", "postgres", password)
    kept("nats", "operator", password)
    for service in CALLERS:
        make_service(service, keys)
    kept("gateway", "session_keys", lambda: json.dumps([secrets.token_hex(32)]))
    kept("auth", "access_token_keys", lambda: json.dumps([{"kid": "first", "key": identity_key()}]))
    # Without an account at Stripe: keys that only the stand-in of the profile `dev` knows.
    api_key = shared("payments", "stripe_api_key", lambda: f"sk_test_{secrets.token_hex(32)}")
    derived("stripe-sandbox", "api_key", api_key)
    made = shared("payments", "stripe_webhook_secrets", lambda: json.dumps([f"whsec_sandbox_{secrets.token_hex(32)}"]))
    derived("stripe-sandbox", "webhook_secret", ",".join(json.loads(made)))
    derived("linkedin-sandbox", "token", shared("resumes", "linkedin_source_token", lambda: secrets.token_hex(32)))


if __name__ == "__main__":
    main()
