"""Work that must not be lost, in either direction: events from Stripe, calls to Stripe.

A piece of work is taken by lease, not by its existence: whoever dies with it loses it when the lease ends.
"""

from dataclasses import dataclass
from typing import Literal

from cv_common.db import Row, Statement, Transaction
from sqlalchemy import Table, bindparam, func, select, text, update

from cv_payments.tables import stripe_calls, stripe_events, words

Outcome = Literal["done", "ignored", "quarantined", "dead"]
"""What became of it: its effect is committed; there was none to have; it did not fit; it failed too often."""

_LEASE = text("interval '15 seconds'")


@dataclass(frozen=True, slots=True)
class WorkHealth:
    """How much work is dead or quarantined, and for how many seconds the oldest unfinished one has waited."""

    dead: int
    quarantined: int
    oldest: float


class Work:
    """One table of work; `since` is the column that says when a piece of it came up."""

    def __init__(self, table: Table, since: str) -> None:
        key = table.primary_key.columns[0]
        one = key == bindparam("work_key")
        unfinished = table.c.outcome.is_(None)
        free = unfinished & (table.c.leased_until.is_(None) | (table.c.leased_until < func.now()))
        self._due = Statement(
            select(key.label("key"))
            .where(free, table.c.next_try_at <= func.now())
            .order_by(table.c.next_try_at)
            .limit(bindparam("at_most"))
        )
        self._take = Statement(
            update(table)
            .where(one, free)
            .values(leased_until=func.now() + _LEASE, attempts=table.c.attempts + 1)
            .returning(table)
        )
        self._postpone = Statement(
            update(table)
            .where(one, unfinished)
            .values(
                leased_until=None,
                error=bindparam("reason"),
                next_try_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds")),
            )
        )
        self._finish = Statement(
            update(table)
            .where(one)
            .values(leased_until=None, processed_at=func.now(), outcome=bindparam("result"), error=bindparam("reason"))
        )
        waiting = func.extract("epoch", func.now() - func.min(table.c[since]).filter(unfinished))
        self._health = Statement(
            select(
                func.count().filter(table.c.outcome == "dead").label("dead"),
                func.count().filter(table.c.outcome == "quarantined").label("quarantined"),
                func.coalesce(waiting, 0.0).label("oldest"),
            ).where(unfinished | table.c.outcome.in_(words("dead", "quarantined")))
        )

    async def due(self, tx: Transaction, at_most: int) -> list[str]:
        """The keys of what somebody should do now."""
        return [row["key"] for row in await tx.all(self._due, at_most=at_most)]

    async def take(self, tx: Transaction, key: str) -> Row | None:
        """Lease one piece of work. None when it is finished, or somebody else is at it."""
        return await tx.one(self._take, work_key=key)

    async def postpone(self, tx: Transaction, key: str, reason: str, seconds: float) -> None:
        """Try it again after so many seconds."""
        await tx.run(self._postpone, work_key=key, reason=reason, seconds=seconds)

    async def finish(self, tx: Transaction, key: str, outcome: Outcome, reason: str | None = None) -> None:
        """Nothing more is to be done about it."""
        await tx.run(self._finish, work_key=key, result=outcome, reason=reason)

    async def health(self, tx: Transaction) -> WorkHealth:
        """How it stands with all of it."""
        row = await tx.one(self._health)
        assert row is not None
        return WorkHealth(row["dead"], row["quarantined"], float(row["oldest"]))


events = Work(stripe_events, since="received_at")
calls = Work(stripe_calls, since="ordered_at")
