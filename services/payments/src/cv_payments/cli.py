"""The command line: `cv-payments setup-stripe`, `cv-payments events`, `cv-payments calls`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from typing import Literal, TextIO

from cv_common.kernel.database import Database

from cv_payments.actions.jobs import QUEUE_TITLES, Command, QueueName, handle_failed
from cv_payments.actions.setup import set_up_account
from cv_payments.clients.stripe_account import StripeAccount
from cv_payments.clients.stripe_connection import StripeRequestError, StripeUnavailable


class Arguments(Namespace):
    """The parsed command line. `command` and `keys` belong to a queue, `webhook` to `setup-stripe`."""

    target: Literal["setup-stripe"] | QueueName
    command: Command
    keys: list[str]
    webhook: str | None


def parse(arguments: Sequence[str]) -> Arguments:
    """Parse the command line. Exits with the usage when it is wrong."""
    parser = ArgumentParser(prog="cv-payments", description="Manage payments and their Stripe account.")
    targets = parser.add_subparsers(dest="target", required=True)
    setup = targets.add_parser("setup-stripe", help="create missing products, prices and the billing portal")
    setup.add_argument("--webhook", metavar="URL", help="also create the webhook endpoint")
    for queue, title in QUEUE_TITLES.items():
        commands = targets.add_parser(queue, help=f"{title} that are dead or quarantined").add_subparsers(
            dest="command", required=True
        )
        commands.add_parser("list", help="list them").set_defaults(keys=[])
        retry = commands.add_parser("retry", help="try them again: all, or those with these ids")
        retry.add_argument("keys", nargs="*", metavar="ID")
        dismiss = commands.add_parser("dismiss", help="close those with these ids without an effect")
        dismiss.add_argument("keys", nargs="+", metavar="ID")
    return parser.parse_args(arguments, Arguments())


async def run_command(
    database: Database, queue: QueueName, command: Command, keys: Collection[str], out: TextIO
) -> int:
    """Run a command on failed jobs and print a line for each. Returns 1 when an id is unknown or not failed."""
    jobs = await handle_failed(database, queue, command, keys)
    for job in jobs:
        columns = (job.key, job.outcome, job.kind, job.object_id or "-", f"{job.since:%Y-%m-%dT%H:%M:%SZ}")
        out.write("\t".join((*columns, f"{job.attempts} tries", job.error or "-")) + "\n")
    unknown = set(keys).difference(job.key for job in jobs)
    out.writelines(f"{key}\tno dead or quarantined entry has this id\n" for key in sorted(unknown))
    return 1 if unknown else 0


async def run_setup(account: StripeAccount, return_url: str, webhook_url: str | None, out: TextIO, err: TextIO) -> int:
    """Set up the Stripe account and print a line for each part. Returns the exit code."""
    try:
        async for line in set_up_account(account, return_url, webhook_url):
            out.write(f"{line}\n")
    except (StripeUnavailable, StripeRequestError) as error:
        err.write(f"Stripe was not set up: {error}\n")
        return 1
    return 0
