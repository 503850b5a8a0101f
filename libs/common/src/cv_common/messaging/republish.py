"""Recovery of a service whose database was restored from a backup. Reads the service's DATABASE_URL.

    python -m cv_common.messaging.republish recover [--skip NUMBER]    restored service, before it starts
    python -m cv_common.messaging.republish republish                  each service that it consumes, while that runs

`recover` advances every sequence, because other services know ids that were assigned after the backup. Both commands
republish the latest event of each entity under a new event id, because consumers skip ids that they have processed.
`recover` also raises the revisions above all that were lost. `republish` keeps them, so a consumer that
knows the state changes nothing.
"""

import argparse
import sys
from collections.abc import Sequence

import psycopg

from cv_common.kernel.settings import DatabaseSettings

SKIP = 1_000_000
"""Ids that each sequence skips: more than can have been assigned since the backup."""

_SKIP_IDS = """
    select setval(format('%%I.%%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + %(skip)s)
    from pg_sequences
"""
_REPUBLISH = """
    with last as materialized (
        select distinct on (
            name, payload->'user_id', payload->'session_id', payload->'resume_id', payload->'template_id'
        ) id, gen_random_uuid() as new_id
        from outbox where published_at is not null or %(bump)s
        order by name, payload->'user_id', payload->'session_id', payload->'resume_id', payload->'template_id', id desc
    ), republished as (
        select id, new_id, case when %(bump)s
            then greatest((payload->>'revision')::bigint + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint)
            else (payload->>'revision')::bigint end as revision
        from last join outbox using (id)
    )
    update outbox
    set event_id = new_id, published_at = null,
        payload = payload || jsonb_build_object('id', new_id, 'revision', revision)
    from republished where outbox.id = republished.id
"""


def recover(connection: psycopg.Connection, skip: int = SKIP) -> tuple[int, int]:
    """Recover a restored database while its service is stopped.

    Returns the number of advanced sequences and of republished events.
    """
    with connection.transaction():
        sequences = connection.execute(_SKIP_IDS, {"skip": skip}).rowcount
        return sequences, _republish_latest(connection, bump=True)


def republish(connection: psycopg.Connection) -> int:
    """Republish for a restored consumer. Returns the number of republished events."""
    with connection.transaction():
        return _republish_latest(connection, bump=False)


def _republish_latest(connection: psycopg.Connection, *, bump: bool) -> int:
    has_outbox = connection.execute("select to_regclass('outbox') is not null").fetchone()
    if has_outbox != (True,):
        return 0
    return connection.execute(_REPUBLISH, {"bump": bump}).rowcount


def command(arguments: Sequence[str]) -> None:
    """Run the command line."""
    options = _parse(arguments)
    with psycopg.connect(DatabaseSettings().direct_url) as connection:
        connection.execute("set statement_timeout = 0")  # a role's default suits requests
        if options.action == "recover":
            sequences, events = recover(connection, options.skip)
            sys.stdout.write(f"advanced {sequences} sequences by {options.skip} ids\n")
        else:
            events = republish(connection)
        sys.stdout.write(f"republished {events} events\n")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m cv_common.messaging.republish", description="Recover after a restore from a backup."
    )
    actions = parser.add_subparsers(dest="action", required=True)
    restored = actions.add_parser("recover", help="for the restored service, before it starts")
    restored.add_argument(
        "--skip", type=int, default=SKIP, metavar="NUMBER", help=f"ids that each sequence skips, by default {SKIP:,}"
    )
    actions.add_parser("republish", help="for a service whose consumer was restored")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    command(sys.argv[1:])
