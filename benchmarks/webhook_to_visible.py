"""Measures the time from the response to Stripe's webhook until the effect is visible through the gateway.

    .venv/bin/python -m benchmarks.webhook_to_visible [--times 200]

Starts a private system, buys one thing after the other, and polls until it is visible: a payment as `is_paid` of the
resume, a subscription as `is_premium` of the profile. The polling uses processor time too, so the results are upper
bounds. Run it on an idle machine.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from cv_stack.secrets import Secrets
from cv_stack.system import System

from tests.integration.stripe_sandbox import StripeSandbox, signed
from tests.integration.visitor import Visitor

_GIVE_UP_AFTER = 30
"""Seconds."""
_WARM_UP = 10

Buy = Callable[[Visitor], Awaitable[tuple[str, str]]]
"""Buys something. Returns the path and the field that will show it."""


async def buy_resume(visitor: Visitor) -> tuple[str, str]:
    """Pay for a new resume."""
    resume = await visitor.write_resume()
    await visitor.pay(await visitor.checkout(resume["id"]))
    return f"/api/resumes/{resume['id']}/", "is_paid"


async def buy_subscription(visitor: Visitor) -> tuple[str, str]:
    """Register and subscribe."""
    visitor.token = None
    user = await visitor.register()
    await visitor.login(user["email"])
    await visitor.pay(await visitor.checkout(payment_type="monthly"))
    return "/api/auth/profile/", "is_premium"


async def seconds_until_visible(visitor: Visitor, sandbox: StripeSandbox, secret: str, buy: Buy) -> float:
    """Buy, send the webhook, and wait for the effect. Raises TimeoutError and httpx.HTTPStatusError."""
    path, field = await buy(visitor)
    body, signature = signed(await sandbox.newest_event("checkout.session.completed"), secret)
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
    answer = await visitor.request("POST", "/api/payments/webhook/", content=body, headers=headers)
    answered = time.perf_counter()
    answer.raise_for_status()
    async with asyncio.timeout(_GIVE_UP_AFTER):
        while not (await visitor.get(path))[field]:
            pass
    return time.perf_counter() - answered


async def measure(system: System, times: int) -> list[str]:
    """Return the lines of the table."""
    secrets = Secrets(system.data / "secrets.json")
    api_key = secrets.token("stripe api key", "sk_test_")
    secret = secrets.token("stripe webhook secret", "whsec_sandbox_")
    lines = []
    async with StripeSandbox(system.ports.stripe_url, api_key) as sandbox, Visitor(system.ports.public_url) as visitor:
        await sandbox.control("delivery", hold=True)
        await visitor.login((await visitor.register())["email"])
        for name, buy in (("payment", buy_resume), ("subscription", buy_subscription)):
            once = partial(seconds_until_visible, visitor, sandbox, secret, buy)
            taken = [await once() for _ in range(_WARM_UP + times)][_WARM_UP:]
            cuts = statistics.quantiles(taken, n=100, method="inclusive")
            p50, p95, p99, most = (1000 * seconds for seconds in (cuts[49], cuts[94], cuts[98], max(taken)))
            lines.append(f"{name:12}  {times:5}  {p50:6.1f}  {p95:6.1f}  {p99:6.1f}  {most:6.1f}")
    return lines


def main(times: int) -> None:
    """Measure on a private system and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"RATE_LIMITS_ENABLED": "false", "LOG_LEVEL": "WARNING"}
        system = System(Path(folder), lambda *_: None, settings=settings)
        system.start()
        try:
            lines = asyncio.run(measure(system, times))
        finally:
            system.stop()
    sys.stdout.write("\n".join(["ms            times     p50     p95     p99     max", *lines, ""]))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=200)
    main(options.parse_args().times)
