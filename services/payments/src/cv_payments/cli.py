"""The command door of payments: `cv-payments setup-stripe`, `cv-payments events`, `cv-payments calls`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from typing import Literal, TextIO

from cv_common.kernel.database import Database

from cv_payments.actions import attention
from cv_payments.actions.attention import Pile
from cv_payments.actions.setup import set_up
from cv_payments.clients.stripe_account import StripeAccount
from cv_payments.clients.stripe_connection import StripeDown, StripeRefused

Deed = Literal["list", "retry", "dismiss"]


def parse(arguments: Sequence[str]) -> Namespace:
    """The command line; ends the process with its usage when that is wrong."""
    parser = ArgumentParser(prog="cv-payments", description="Payments and their account at Stripe.")
    commands = parser.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup-stripe", help="make products, prices and the billing portal, where missing")
    setup.add_argument("--webhook", metavar="URL", help="also make the endpoint that Stripe sends its events to")
    for pile, noun in (("events", "events from Stripe"), ("calls", "calls to Stripe")):
        deeds = commands.add_parser(pile, help=f"{noun} that are dead or quarantined").add_subparsers(
            dest="deed", required=True
        )
        deeds.add_parser("list", help="show them").set_defaults(keys=[])
        retry = deeds.add_parser("retry", help="try them again: all, or those with these ids")
        retry.add_argument("keys", nargs="*", metavar="ID")
        dismiss = deeds.add_parser("dismiss", help="leave those with these ids as they are")
        dismiss.add_argument("keys", nargs="+", metavar="ID")
    return parser.parse_args(arguments)


async def attend(database: Database, pile: Pile, deed: Deed, keys: Collection[str], out: TextIO) -> int:
    """Do it to what is stuck, and say what that was, a line each. Returns 1 when an id is of nothing stuck."""
    do = {"list": attention.stuck, "retry": attention.retry, "dismiss": attention.dismiss}[deed]
    found = await do(database, pile, keys)
    for each in found:
        said = (each.key, each.outcome, each.kind, each.object_id or "-", f"{each.since:%Y-%m-%dT%H:%M:%SZ}")
        out.write("\t".join((*said, f"{each.attempts} tries", each.error or "-")) + "\n")
    absent = set(keys).difference(each.key for each in found)
    out.writelines(f"{key}\tnothing that is stuck has this id\n" for key in sorted(absent))
    return 1 if absent else 0


async def run(account: StripeAccount, return_url: str, webhook_url: str | None, out: TextIO, err: TextIO) -> int:
    """Set the account up and say what became of each part. Returns the exit code."""
    try:
        async for line in set_up(account, return_url, webhook_url):
            out.write(f"{line}\n")
    except (StripeDown, StripeRefused) as error:
        err.write(f"Stripe was not set up: {error}\n")
        return 1
    return 0
