"""After a database came back from a backup: no id is given out twice, and all services know the same again.

    python -m cv_common.messaging.republish recover [--skip NUMBER]    before the restored service starts
    python -m cv_common.messaging.republish retell                     of the services it consumes, while they run

Reads the service's own DATABASE_URL. Ids given out after the backup are known to others, and to nobody here: every
sequence skips more of them than can have been given out. What the outbox told last of each thing is told again, as a
new event, for nobody takes the same event twice. A restored service tells it under a revision above all that were lost;
one that was not restored keeps its revisions, and whoever knows the state already changes nothing.
"""

import argparse
import sys
from collections.abc import Sequence

import psycopg
from cv_common.kernel.settings import DatabaseSettings

SKIP = 1_000_000
"""Ids left out of each sequence."""

_SKIP_IDS = """
    select setval(format('%%I.%%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + %(skip)s)
    from pg_sequences
"""
_REPUBLISH = """
    with last as materialized (
        select distinct on (name, payload->'user_id', payload->'session_id', payload->'resume_id')
            id, gen_random_uuid() as new_id
        from outbox where published_at is not null or %(bump)s
        order by name, payload->'user_id', payload->'session_id', payload->'resume_id', id desc
    ), told as (
        select id, new_id, case when %(bump)s
            then greatest((payload->>'revision')::bigint + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint)
            else (payload->>'revision')::bigint end as revision
        from last join outbox using (id)
    )
    update outbox
    set event_id = new_id, published_at = null,
        payload = payload || jsonb_build_object('id', new_id, 'revision', revision)
    from told where outbox.id = told.id
"""


def recover(connection: psycopg.Connection, skip: int = SKIP) -> tuple[int, int]:
    """After a restore, while the service does not run: how many sequences were advanced, how many events are told."""
    with connection.transaction():
        sequences = connection.execute(_SKIP_IDS, {"skip": skip}).rowcount
        return sequences, _republish_entity(connection, bump=True)


def republish(connection: psycopg.Connection) -> int:
    """For another service that was restored: how many events are told again."""
    with connection.transaction():
        return _republish_entity(connection, bump=False)


def _republish_entity(connection: psycopg.Connection, *, bump: bool) -> int:
    has_outbox = connection.execute("select to_regclass('outbox') is not null").fetchone()
    if has_outbox != (True,):
        return 0
    return connection.execute(_REPUBLISH, {"bump": bump}).rowcount


def command(words: Sequence[str]) -> None:
    """Do what the command line says, and say how much that was."""
    arguments = _parse(words)
    with psycopg.connect(DatabaseSettings().direct_url) as connection:
        connection.execute("set statement_timeout = 0")  # a role's default suits requests
        if arguments.do == "recover":
            sequences, events = recover(connection, arguments.skip)
            sys.stdout.write(f"{sequences} sequences skipped {arguments.skip} ids\n")
        else:
            events = republish(connection)
        sys.stdout.write(f"{events} events are told again\n")


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m cv_common.messaging.republish", description="After a restore from a backup."
    )
    deeds = parser.add_subparsers(dest="do", required=True)
    after = deeds.add_parser("recover", help="this service's database was restored; it does not run yet")
    after.add_argument("--skip", type=int, default=SKIP, metavar="NUMBER", help=f"ids left out, by default {SKIP:,}")
    deeds.add_parser("retell", help="a service that listens to this one was restored")
    return parser.parse_args(words)


if __name__ == "__main__":
    command(sys.argv[1:])
