"""Work that must not be lost, in either direction: events from Stripe, calls to Stripe.

A piece of work is taken by lease, not by its existence: whoever dies with it loses it when the lease ends.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cv_common.kernel.database import Row, Statement, Transaction
from sqlalchemy import Table, bindparam, func, select, text, update

from cv_payments.tables import stripe_calls, stripe_events, words

Outcome = Literal["done", "ignored", "quarantined", "dead", "dismissed"]
"""What became of it: its effect is committed; there was none to have; it did not fit; it failed too often; somebody
has looked at one of the last two and left it so."""

_LEASE = text("interval '15 seconds'")


@dataclass(frozen=True, slots=True)
class WorkHealth:
    """How much work is dead or quarantined, and for how many seconds the oldest unfinished one has waited."""

    dead: int
    quarantined: int
    oldest: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """A piece of work that is dead or quarantined: what it is, what it is about, and why."""

    key: str
    kind: str
    object_id: str | None
    outcome: Outcome
    attempts: int
    since: datetime
    error: str | None


class Work:
    """One table of work; `kind` and `since` are the columns that say what a piece of it is, and when it came up."""

    def __init__(self, table: Table, kind: str, since: str) -> None:
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
        is_stuck = table.c.outcome.in_(words("dead", "quarantined"))
        self._stuck = Statement(
            select(
                key.label("key"),
                table.c[kind].label("kind"),
                table.c[since].label("since"),
                *(table.c[name] for name in ("object_id", "outcome", "attempts", "error")),
            )
            .where(is_stuck)
            .order_by(table.c[since], key)
        )
        self._retry = Statement(
            update(table)
            .where(one, is_stuck)
            .values(attempts=0, next_try_at=func.now(), outcome=None, error=None, processed_at=None)
        )
        self._dismiss = Statement(update(table).where(one, is_stuck).values(outcome="dismissed"))
        waiting = func.extract("epoch", func.now() - func.min(table.c[since]).filter(unfinished))
        self._health = Statement(
            select(
                func.count().filter(table.c.outcome == "dead").label("dead"),
                func.count().filter(table.c.outcome == "quarantined").label("quarantined"),
                func.coalesce(waiting, 0.0).label("oldest"),
            ).where(unfinished | is_stuck)
        )

    async def due(self, tx: Transaction, at_most: int) -> list[str]:
        """The keys of what somebody should do now."""
        return [row["key"] for row in await tx.fetch_all(self._due, at_most=at_most)]

    async def take(self, tx: Transaction, key: str) -> Row | None:
        """Lease one piece of work. None when it is finished, or somebody else is at it."""
        return await tx.fetch_one(self._take, work_key=key)

    async def postpone(self, tx: Transaction, key: str, reason: str, seconds: float) -> None:
        """Try it again after so many seconds."""
        await tx.execute(self._postpone, work_key=key, reason=reason, seconds=seconds)

    async def finish(self, tx: Transaction, key: str, outcome: Outcome, reason: str | None = None) -> None:
        """Nothing more is to be done about it."""
        await tx.execute(self._finish, work_key=key, result=outcome, reason=reason)

    async def stuck(self, tx: Transaction) -> list[Stuck]:
        """What is dead or quarantined, oldest first."""
        return [Stuck(**row) for row in await tx.fetch_all(self._stuck)]

    async def retry(self, tx: Transaction, key: str) -> None:
        """Begin again with what is dead or quarantined."""
        await tx.execute(self._retry, work_key=key)

    async def dismiss(self, tx: Transaction, key: str) -> None:
        """Nobody need look any more at what is dead or quarantined."""
        await tx.execute(self._dismiss, work_key=key)

    async def health(self, tx: Transaction) -> WorkHealth:
        """How it stands with all of it."""
        row = await tx.fetch_one(self._health)
        assert row is not None
        return WorkHealth(row["dead"], row["quarantined"], float(row["oldest"]))


events = Work(stripe_events, kind="type", since="received_at")
calls = Work(stripe_calls, kind="action", since="ordered_at")
