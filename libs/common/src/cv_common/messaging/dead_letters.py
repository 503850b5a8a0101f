"""Dead letters, for people: looked at, taken again once their cause is mended, or given up.

    cv-dead-letters list
    cv-dead-letters replay [NUMBER …]    without a number: all
    cv-dead-letters drop NUMBER …

Reads NATS_URL, NATS_USER and NATS_PASSWORD; the user is `operator`, the only one who may do this. A letter is replayed
under the subject it came with, so every service that listens to that is told again: who has taken the event knows it
by its id. It leaves the stream when the bus has confirmed it, and with the last one health is green again.
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
from cv_common.messaging.broker import DEAD_STREAM, MESSAGE_ID_HEADER
from nats.aio.client import Client
from nats.js import JetStreamContext

_SETTINGS = ("NATS_URL", "NATS_USER", "NATS_PASSWORD")


@dataclass(frozen=True)
class DeadLetter:
    """One message that `service` could not take: its number in the stream, its own subject, its bytes."""

    number: int
    service: str
    subject: str
    payload: bytes


def command() -> None:
    """`cv-dead-letters`, from its arguments and its environment."""
    arguments = _parse(sys.argv[1:])
    missing = [name for name in _SETTINGS if not os.environ.get(name)]
    if missing:
        sys.exit(f"! {', '.join(missing)} must be set")
    try:
        sys.exit(asyncio.run(run(arguments.do, arguments.numbers, os.environ, sys.stdout)))
    except (nats.errors.Error, OSError, TimeoutError) as error:
        sys.exit(f"! the bus does not do it: {error or type(error).__name__}")


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("cv-dead-letters", description="Events that a service could not take.")
    actions = parser.add_subparsers(dest="do", required=True)
    actions.add_parser("list", help="show them").set_defaults(numbers=[])
    replay = actions.add_parser("replay", help="publish them again: all, or those with these numbers")
    replay.add_argument("numbers", nargs="*", type=int, metavar="NUMBER")
    drop = actions.add_parser("drop", help="forget those with these numbers")
    drop.add_argument("numbers", nargs="+", type=int, metavar="NUMBER")
    return parser.parse_args(words)


async def run(do: str, numbers: Sequence[int], environment: Mapping[str, str], out: TextIO) -> int:
    """Do it to the letters with these numbers (none given: to all). Returns 1 when a number is no letter's."""
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
            if do == "replay":
                await jetstream.publish(letter.subject, letter.payload, headers={MESSAGE_ID_HEADER: str(uuid4())})
            if do != "list":
                await jetstream.delete_msg(DEAD_STREAM, letter.number)
            out.write(f"{letter.number}\t{letter.service}\t{letter.subject}\t{letter.payload[:500]!r}\n")
    finally:
        await client.close()
    absent = set(numbers).difference(letter.number for letter in letters)
    out.writelines(f"{number}\tno dead letter has this number\n" for number in sorted(absent))
    return 1 if absent else 0


async def _ignore(error: Exception) -> None:
    """What goes wrong is raised as well."""


async def _fetch_dead_letters(jetstream: JetStreamContext) -> AsyncIterator[DeadLetter]:
    """All of them, the oldest first."""
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
