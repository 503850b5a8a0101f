"""The migrations create the tables of the code, and frequent queries use an index."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from cv_common.kernel.database import Statement
from cv_common.messaging import inbox, outbox
from cv_resumes.repository import idempotency, owners, payments, photos, resumes
from cv_resumes.tables import metadata
from cv_testing.plugin import ServiceDatabase
from cv_testing.tables import differences

_FILL = """
insert into resumes (owner, template_id, template_is_premium, full_name, email, revision, photo, last_accessed)
    select 'user:' || i / 4, 1 + i % 3, i % 3 = 1, 'Marie', 'marie@example.com', i, i::text,
           now() - i * interval '1 hour'
    from generate_series(1, 2000) i;
insert into templates (id, is_premium, revision) select i, false, 1 from generate_series(1, 2000) i;
insert into resume_payments (resume_id, paid, revision) select id, true, 1 from resumes;
insert into subscriptions (owner, revision) select distinct owner, 1 from resumes;
insert into idempotency_keys (scope, key, fingerprint) select i::text, 'k', 'f' from generate_series(1, 2000) i;
insert into ended_sessions (session_id, user_id) select i::text, i from generate_series(1, 2000) i;
insert into ended_users (user_id) select i from generate_series(1, 2000) i;
insert into discarded_photos (path, remove_after) select i::text, now() + interval '1 day'
    from generate_series(1, 2000) i;
insert into outbox (event_id, name, payload, occurred_at, published_at)
    select gen_random_uuid(), 'x', '{}', now(), now() from generate_series(1, 2000) i;
insert into inbox (event_id) select gen_random_uuid() from generate_series(1, 2000) i;
"""
_MINE = {"owner": "user:7", "resume_id": 30}
_HOT: dict[str, tuple[Statement, dict[str, Any]]] = {
    "detail": (resumes._OPEN, _MINE),
    "auto-save": (resumes._LOCK, _MINE),
    "list": (
        resumes._LIST,
        {"owner": "user:7", "created_at": resumes.START[0], "resume_id": resumes.START[1], "limit": 8, "offset": 0},
    ),
    "count": (resumes._COUNT, _MINE),
    "deletion": (resumes._DELETE, _MINE),
    "existence": (resumes._EXISTS, _MINE),
    "photo": (resumes._PHOTO_IN_USE, {"photo": "30"}),
    "key of a creation": (idempotency._FIND, {"scope": "30", "key": "k"}),
    "session of a creation": (owners._IS_SESSION_ENDED, {"session_id": "30"}),
    "user of a creation": (owners._IS_USER_ENDED, {"user_id": 30}),
    "subscription": (payments._ENTITLED_UNTIL, {"owner": "user:7"}),
    "claim": (resumes._TRANSFER, {"owner": "user:7", "new_owner": "user:8"}),
    "abandoned resumes": (resumes._DELETE_ABANDONED, {"before": resumes.START[0], "limit": 100}),
    "discarded photos": (photos._DUE, {}),
    "outbox": (outbox._BATCH, {}),
    "old events": (outbox._PURGE, {}),
    "old received events": (inbox._PURGE, {}),
    "old keys": (idempotency._PURGE, {"before": resumes.START[0]}),
}


def test_migrated_database_equals_the_tables(service_database: ServiceDatabase) -> None:
    assert differences(service_database("resumes"), metadata) == []


@pytest.fixture(scope="module")
def filled(service_database: ServiceDatabase) -> Iterator[psycopg.Connection[Any]]:
    """A database with some thousand rows, whose planner reads a whole table only when no index serves."""
    with psycopg.connect(service_database("resumes"), autocommit=True) as connection:
        connection.execute(_FILL)
        connection.execute("analyze")
        connection.execute("set enable_seqscan = off")
        yield connection


@pytest.mark.parametrize("name", _HOT)
def test_frequent_queries_use_an_index(filled: psycopg.Connection[Any], name: str) -> None:
    statement, values = _HOT[name]
    row = filled.execute(b"explain (format json) " + statement.sql, statement.bind(values)).fetchone()
    assert row is not None
    assert list(_whole_tables(row[0][0]["Plan"])) == []


def _whole_tables(plan: dict[str, Any], is_limited: bool = False) -> Iterator[str]:
    """The parts of a plan that read a table or an index from its beginning, but for the first rows in an order."""
    kind = plan["Node Type"]
    by_condition = "Index Cond" in plan or kind in {"Bitmap Heap Scan", "Tid Scan"}
    is_small = plan.get("Index Name") in {"outbox_unpublished", "resumes_of_sessions", "templates_pkey"}
    if "Relation Name" in plan and kind.endswith("Scan") and not (by_condition or is_limited or is_small):
        yield f"{kind} of {plan['Relation Name']}"
    for part in plan.get("Plans", []):
        yield from _whole_tables(part, is_limited or kind == "Limit")
