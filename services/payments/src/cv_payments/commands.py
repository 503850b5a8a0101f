"""The command door of payments: `cv-payments setup-stripe`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TextIO

from cv_payments.actions.setup import set_up
from cv_payments.clients.stripe_account import StripeAccount
from cv_payments.clients.stripe_connection import StripeDown, StripeRefused


def parse(arguments: Sequence[str]) -> Namespace:
    """The command line; ends the process with its usage when that is wrong."""
    parser = ArgumentParser(prog="cv-payments", description="Payments and their account at Stripe.")
    commands = parser.add_subparsers(required=True)
    setup = commands.add_parser("setup-stripe", help="make products, prices and the billing portal, where missing")
    setup.add_argument("--webhook", metavar="URL", help="also make the endpoint that Stripe sends its events to")
    return parser.parse_args(arguments)


async def run(account: StripeAccount, return_url: str, webhook_url: str | None, out: TextIO, err: TextIO) -> int:
    """Set the account up and say what became of each part. Returns the exit code."""
    try:
        async for line in set_up(account, return_url, webhook_url):
            out.write(f"{line}\n")
    except (StripeDown, StripeRefused) as error:
        err.write(f"Stripe was not set up: {error}\n")
        return 1
    return 0
