"""Resumes. A resume you may not see is a resume not found."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cv_common.kernel.database import Row, Statement, Transaction
from psycopg.types.json import Json, Jsonb
from sqlalchemy import BigInteger, Boolean, bindparam, delete, func, insert, not_, or_, select, true, tuple_, update

from cv_resumes.domain.owners import Owner
from cv_resumes.domain.sections import ENTRY_SECTIONS, FREE_SECTIONS
from cv_resumes.tables import entry_ids, resume_payments, resumes, subscriptions

Place = tuple[datetime, int]
"""Where a resume stands in its owner's list, the newest first."""

_OWNED = resumes.c.owner == bindparam("owner")
_ONE = resumes.c.id == bindparam("resume_id")
_WITH_PAYMENT = (
    select(resumes, resume_payments.c.paid.label("bought"), subscriptions.c.entitled_until)
    .outerjoin(resume_payments, resume_payments.c.resume_id == resumes.c.id)
    .outerjoin(subscriptions, subscriptions.c.owner == resumes.c.owner)
)
_TOUCHED = (
    update(resumes)
    .where(_ONE, _OWNED, func.date_trunc("second", resumes.c.last_accessed) < func.date_trunc("second", func.now()))
    .values(last_accessed=func.now())
    .returning(resumes.c.id)
    .cte("touched")
)

_PLACE = (resumes.c.created_at, resumes.c.id)
START: Place = (datetime.max.replace(tzinfo=UTC), 2**63 - 1)
"""Before the newest of any list."""

_VISIBLE = Statement(_WITH_PAYMENT.where(_ONE, _OWNED))
_OPEN = Statement(_WITH_PAYMENT.add_columns(func.now().label("last_accessed")).where(_ONE, _OWNED).add_cte(_TOUCHED))
_LOCK = Statement(_WITH_PAYMENT.where(_ONE, _OWNED).with_for_update(of=resumes))
_OWNED_BY = Statement(
    _WITH_PAYMENT.where(_OWNED, tuple_(*_PLACE) < tuple_(bindparam("created_at"), bindparam("resume_id")))
    .order_by(resumes.c.created_at.desc(), resumes.c.id.desc())
    .limit(bindparam("limit", type_=BigInteger))
    .offset(bindparam("offset", type_=BigInteger))
)
_COUNT = Statement(select(func.count().label("total")).select_from(resumes).where(_OWNED))
_PHOTO = Statement(select(resumes.c.id).where(resumes.c.photo == bindparam("photo")))
_EXISTS = Statement(select(resumes.c.id).where(_ONE))
_REMOVED = (resumes.c.id, resumes.c.revision, resumes.c.photo)
_DELETE = Statement(delete(resumes).where(_ONE).returning(*_REMOVED))
_DELETE_ALL = Statement(delete(resumes).where(_OWNED).returning(*_REMOVED))
_ABANDONED = (
    select(resumes.c.id)
    .outerjoin(resume_payments, resume_payments.c.resume_id == resumes.c.id)
    .outerjoin(subscriptions, subscriptions.c.owner == resumes.c.owner)
    .where(
        resumes.c.owner.startswith("session:"),
        resumes.c.last_accessed < bindparam("before"),
        resume_payments.c.paid.is_not(true()),
        or_(subscriptions.c.entitled_until.is_(None), subscriptions.c.entitled_until < func.now()),
    )
    .limit(bindparam("at_most"))
    .with_for_update(of=resumes, skip_locked=True)
)
_DELETE_ABANDONED = Statement(delete(resumes).where(resumes.c.id.in_(_ABANDONED)).returning(*_REMOVED))
_REPRICE = Statement(
    update(resumes)
    .where(_ONE, resumes.c.template_id == bindparam("template"))
    .values(template_is_premium=bindparam("premium"))
)
_PRICED = (resumes.c.template_id, resumes.c.template_is_premium)
_USED = select(select(*_PRICED).order_by(*_PRICED).limit(1).subquery()).cte("used", recursive=True)
_NEXT_USED = select(*_PRICED).where(tuple_(*_PRICED) > tuple_(*_USED.c)).order_by(*_PRICED).limit(1).lateral()
_USED = _USED.union_all(select(_NEXT_USED).select_from(_USED.join(_NEXT_USED, true())))
# From one template to the next by the index: there are a few of them, and millions of resumes.
_TEMPLATES_USED = Statement(select(_USED))
_OTHERWISE_PRICED = (
    select(resumes.c.id)
    .where(
        resumes.c.template_id == bindparam("template"),
        resumes.c.template_is_premium == not_(bindparam("premium", type_=Boolean)),
    )
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_REPRICE_SOME = Statement(
    update(resumes)
    .where(resumes.c.id == func.any(func.array(_OTHERWISE_PRICED.scalar_subquery())))
    .values(template_is_premium=bindparam("premium"))
)
_MOVE = Statement(update(resumes).where(_OWNED).values(owner=bindparam("new_owner")))
_ADAPTERS = dict.fromkeys(ENTRY_SECTIONS, Jsonb) | dict.fromkeys(FREE_SECTIONS, Json)
_ENTRY_IDS = Statement(
    select(
        *(
            func.array(
                select(entry_ids[section].next_value())
                .select_from(func.generate_series(1, bindparam(section)).alias(section))
                .scalar_subquery()
            ).label(section)
            for section in ENTRY_SECTIONS
        )
    )
)


async def visible(tx: Transaction, owner: Owner, resume_id: int) -> Row | None:
    """The owner's resume with its payment columns `bought` and `entitled_until`, or None."""
    return await tx.fetch_one(_VISIBLE, resume_id=resume_id, owner=owner.key)


async def open_visible(tx: Transaction, owner: Owner, resume_id: int) -> Row | None:
    """As `visible`, and remembers the access, written at most once a second: answers show whole seconds."""
    return await tx.fetch_one(_OPEN, resume_id=resume_id, owner=owner.key)


async def lock_visible(tx: Transaction, owner: Owner, resume_id: int) -> Row | None:
    """As `visible`, and nobody else changes it until `tx` ends."""
    return await tx.fetch_one(_LOCK, resume_id=resume_id, owner=owner.key)


async def owned_by(tx: Transaction, owner: Owner, after: Place, limit: int, offset: int) -> list[Row]:
    """Up to `limit` of the owner's resumes, newest first, beginning `offset` behind those that come `after`."""
    created_at, resume_id = after
    return await tx.fetch_all(
        _OWNED_BY, owner=owner.key, created_at=created_at, resume_id=resume_id, limit=limit, offset=offset
    )


def place(row: Row) -> Place:
    """Where a resume stands."""
    return row["created_at"], row["id"]


async def count(tx: Transaction, owner: Owner) -> int:
    """How many resumes the owner has."""
    row = await tx.fetch_one(_COUNT, owner=owner.key)
    return int(row["total"]) if row else 0


async def has_photo(tx: Transaction, photo: str) -> bool:
    """Whether some resume shows this photo."""
    return await tx.fetch_one(_PHOTO, photo=photo) is not None


async def exists(tx: Transaction, resume_id: int) -> bool:
    """Whether there is such a resume, whosever it is."""
    return await tx.fetch_one(_EXISTS, resume_id=resume_id) is not None


async def add(tx: Transaction, columns: Mapping[str, Any]) -> Row:
    """Insert a resume; the row as it is stored."""
    row = await tx.fetch_one(_insert(tuple(sorted(columns))), **_adapted(columns))
    assert row is not None
    return row


async def change(tx: Transaction, resume_id: int, columns: Mapping[str, Any]) -> Row:
    """Update some columns of a locked resume; the row as it is stored."""
    row = await tx.fetch_one(_update(tuple(sorted(columns))), resume_id=resume_id, **_adapted(columns))
    assert row is not None
    return row


@cache
def _insert(names: tuple[str, ...]) -> Statement:
    return Statement(insert(resumes).values({name: bindparam(name) for name in names}).returning(resumes))


@cache
def _update(names: tuple[str, ...]) -> Statement:
    """Which columns an auto-save carries varies little: each combination is compiled once."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return Statement(update(resumes).where(_ONE).values(values).returning(resumes))


def _adapted(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _ADAPTERS[name](value) if name in _ADAPTERS else value for name, value in columns.items()}


async def new_entry_ids(tx: Transaction, wanted: Mapping[str, int]) -> dict[str, list[int]]:
    """So many new ids for each section: `{"experiences": [5, 6], "education": [], "skills": [9]}`."""
    row = await tx.fetch_one(_ENTRY_IDS, **{section: wanted.get(section, 0) for section in ENTRY_SECTIONS})
    assert row is not None
    return row


async def remove(tx: Transaction, resume_id: int) -> Row | None:
    """Delete a locked resume; its `id`, last `revision` and `photo`."""
    return await tx.fetch_one(_DELETE, resume_id=resume_id)


async def remove_all(tx: Transaction, owner: Owner) -> list[Row]:
    """Delete all of an owner's resumes; `id`, last `revision` and `photo` of each."""
    return await tx.fetch_all(_DELETE_ALL, owner=owner.key)


async def remove_abandoned(tx: Transaction, before: datetime, at_most: int) -> list[Row]:
    """Delete resumes of sessions that nobody has opened since `before` and for which nothing is paid."""
    return await tx.fetch_all(_DELETE_ABANDONED, before=before, at_most=at_most)


async def templates_used(tx: Transaction) -> list[tuple[int, bool]]:
    """The templates that resumes are written with, and whether they count as premium: both, for some resumes each."""
    return [(row["template_id"], row["template_is_premium"]) for row in await tx.fetch_all(_TEMPLATES_USED)]


async def reprice(tx: Transaction, resume_id: int, template_id: int, is_premium: bool) -> None:
    """Remember of a resume, if it still has this template, whether that is premium now."""
    await tx.execute(_REPRICE, resume_id=resume_id, template=template_id, premium=is_premium)


async def reprice_some(tx: Transaction, template_id: int, is_premium: bool, at_most: int) -> int:
    """Remember of resumes with this template whether it is premium now; how many knew otherwise."""
    return await tx.execute(_REPRICE_SOME, template=template_id, premium=is_premium, at_most=at_most)


async def move(tx: Transaction, old: Owner, new: Owner) -> int:
    """Give all of one owner's resumes to another; how many there were."""
    return await tx.execute(_MOVE, owner=old.key, new_owner=new.key)
