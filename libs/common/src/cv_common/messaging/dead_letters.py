"""The command `cv-dead-letters`: lists dead letters, publishes them again, or deletes them.

    cv-dead-letters list
    cv-dead-letters replay [NUMBER …]    without a number: all
    cv-dead-letters drop NUMBER …

Reads NATS_URL, NATS_USER and NATS_PASSWORD. The user is `operator`, which alone has the permissions. `replay` publishes
an event under its subject, to all its consumers: a service that has processed it skips it by its id. Then it deletes
the dead letter. A service is healthy again when it has no dead letters.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO
from uuid import uuid4

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext

from cv_common.messaging.broker import DEAD_STREAM, MESSAGE_ID_HEADER

_SETTINGS = ("NATS_URL", "NATS_USER", "NATS_PASSWORD")


@dataclass(frozen=True)
class DeadLetter:
    """An event that `service` could not process: its number in the stream, its subject and its bytes."""

    number: int
    service: str
    subject: str
    payload: bytes


def command() -> None:
    """Run `cv-dead-letters` with the arguments and environment of the process."""
    arguments = _parse(sys.argv[1:])
    missing = [name for name in _SETTINGS if not os.environ.get(name)]
    if missing:
        sys.exit(f"! {', '.join(missing)} must be set")
    try:
        sys.exit(asyncio.run(run(arguments.action, arguments.numbers, os.environ, sys.stdout)))
    except (nats.errors.Error, OSError, TimeoutError) as error:
        sys.exit(f"! NATS failed: {error or type(error).__name__}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("cv-dead-letters", description="Events that a service could not process.")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="list them").set_defaults(numbers=[])
    replay = actions.add_parser("replay", help="publish them again: all, or those with these numbers")
    replay.add_argument("numbers", nargs="*", type=int, metavar="NUMBER")
    drop = actions.add_parser("drop", help="delete those with these numbers")
    drop.add_argument("numbers", nargs="+", type=int, metavar="NUMBER")
    return parser.parse_args(arguments)


async def run(action: str, numbers: Sequence[int], environment: Mapping[str, str], out: TextIO) -> int:
    """List, replay or drop the dead letters with these numbers, or all. Returns 1 if a number does not exist."""
    client = Client()
    await client.connect(
        environment["NATS_URL"],
        user=environment["NATS_USER"],
        password=environment["NATS_PASSWORD"],
        inbox_prefix=f"_INBOX_{environment['NATS_USER']}".encode(),
        allow_reconnect=False,
        error_cb=_ignore,
    )
    try:
        jetstream = client.jetstream()
        letters = [letter async for letter in _fetch_dead_letters(jetstream) if not numbers or letter.number in numbers]
        for letter in letters:
            if action == "replay":
                await jetstream.publish(letter.subject, letter.payload, headers={MESSAGE_ID_HEADER: str(uuid4())})
            if action != "list":
                await jetstream.delete_msg(DEAD_STREAM, letter.number)
            out.write(f"{letter.number}\t{letter.service}\t{letter.subject}\t{letter.payload[:500]!r}\n")
    finally:
        await client.close()
    absent = set(numbers).difference(letter.number for letter in letters)
    out.writelines(f"{number}\tno dead letter has this number\n" for number in sorted(absent))
    return 1 if absent else 0


async def _ignore(error: Exception) -> None:
    """Ignore an error of the connection: the failed call raises it too."""


async def _fetch_dead_letters(jetstream: JetStreamContext) -> AsyncIterator[DeadLetter]:
    """Yield all dead letters, the oldest first."""
    number = 0
    while True:
        try:
            message = await jetstream.get_msg(DEAD_STREAM, number + 1, subject="dead.>", next=True)
        except nats.js.errors.NotFoundError:
            return
        assert message.seq is not None
        assert message.subject is not None
        number = message.seq
        _, service, subject = message.subject.split(".", 2)
        yield DeadLetter(number, service, subject, message.data or b"")


if __name__ == "__main__":
    command()
