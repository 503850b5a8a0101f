"""Revisions."""

import time

import pytest
from cv_common.kernel.database import Scalar, Statement, Transaction, connect_directly
from cv_common.kernel.revision import next_revision, upsert_if_newer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, bindparam, select


@given(st.integers(min_value=0, max_value=2**62))
def test_a_revision_exceeds_the_last_one_and_the_clock(current: int) -> None:
    before = time.time_ns() // 1_000_000
    revision = next_revision(current)
    assert revision > current
    assert revision >= before


def test_revisions_are_unique_within_a_millisecond() -> None:
    revisions = [0]
    for _ in range(1000):
        revisions.append(next_revision(revisions[-1]))
    assert len(set(revisions)) == 1001
    assert revisions == sorted(revisions)


_NOTES = Table(
    "notes", MetaData(), Column("id", Integer, primary_key=True), Column("text", Text), Column("revision", BigInteger)
)
_COLUMNS = ["id", "text", "revision"]
_PARAMETERS = [bindparam(name, type_=_NOTES.c[name].type) for name in _COLUMNS]
_TEXT = Scalar(select(_NOTES.c.text).where(_NOTES.c.id == bindparam("id")), str)


@pytest.mark.parametrize(
    "upsert", [upsert_if_newer(_NOTES, _COLUMNS), upsert_if_newer(_NOTES, _COLUMNS, select(*_PARAMETERS))]
)
async def test_upsert_if_newer_keeps_the_highest_revision(database_url: str, upsert: Statement) -> None:
    async with await connect_directly(database_url) as connection:
        tx = Transaction(connection)
        kept: list[str | None] = []
        for text, revision in (("first", 2), ("older", 1), ("same", 2), ("newer", 3)):
            await tx.execute(upsert, id=1, text=text, revision=revision)
            kept.append(await tx.fetch_one(_TEXT, id=1))
    assert kept == ["first", "first", "first", "newer"]
