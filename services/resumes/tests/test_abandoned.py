"""Retention of anonymous resumes and idempotency keys."""

from datetime import UTC, datetime, timedelta

import psycopg
from cv_resumes.actions.abandoned import delete_abandoned
from cv_resumes.actions.context import Context

OLD = datetime.now(UTC) - timedelta(days=91)
RECENT = datetime.now(UTC) - timedelta(days=89)


async def test_only_unopened_unpaid_anonymous_resumes_are_deleted(context: Context, database_url: str) -> None:
    owners = {
        "abandoned": ("session:a", OLD),
        "opened": ("session:b", RECENT),
        "owned": ("user:1", OLD),
        "bought": ("session:c", OLD),
        "subscribed": ("session:d", OLD),
        "expired": ("session:e", OLD),
    }
    with psycopg.connect(database_url, autocommit=True) as connection:
        for number, (name, (owner, opened)) in enumerate(owners.items(), start=1):
            connection.execute(
                "insert into resumes (owner, template_id, template_is_premium, full_name, email, revision,"
                " last_accessed) values (%s, 1, false, %s, '', %s, %s)",
                (owner, name, number, opened),
            )
        connection.execute("insert into resume_payments select id, true, 1 from resumes where full_name = 'bought'")
        connection.execute("insert into subscriptions values ('session:d', now() + interval '1 day', 1)")
        connection.execute("insert into subscriptions values ('session:e', now() - interval '1 day', 1)")
        connection.execute(
            "insert into idempotency_keys values ('s', 'old', 'f', null, null, now() - interval '3 days')"
        )
        connection.execute("insert into idempotency_keys values ('s', 'new', 'f', null, null, now())")
        await delete_abandoned(context)
        left = {name for (name,) in connection.execute("select full_name from resumes")}
        assert left == {"opened", "owned", "bought", "subscribed"}
        told = connection.execute("select name, (payload->>'resume_id')::int from outbox order by 2").fetchall()
        assert told == [("resumes.resume_deleted.v1", 1), ("resumes.resume_deleted.v1", 6)]
        assert connection.execute("select key from idempotency_keys").fetchall() == [("new",)]
