"""Resumes. A resume is found by its id and its owner: another owner's resume does not exist."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cv_common.kernel.database import Query, Scalar, Statement, Transaction
from psycopg.types.json import Json, Jsonb
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
    update,
)

from cv_resumes.domain.content import FREE_SECTIONS, JSON_OBJECTS, NUMBERED_SECTIONS, ResumeContent
from cv_resumes.domain.owners import Owner
from cv_resumes.domain.resumes import DeletedResume, Resume
from cv_resumes.tables import entry_ids, resume_payments, resumes, subscriptions, templates

Position = tuple[datetime, int]
"""`created_at` and `id`: the position of a resume in its owner's list, newest first."""
START: Position = (datetime.max.replace(tzinfo=UTC), 2**63 - 1)
"""The position before the newest resume."""

_OWNED = resumes.c.owner == bindparam("owner")
_BY_ID = resumes.c.id == bindparam("resume_id")
_JOINED: dict[str, ColumnElement[Any]] = {
    "owner_key": resumes.c.owner,
    # Events keep `templates` current. The resume's own column counts until the first event about its template.
    "template_is_premium": func.coalesce(templates.c.is_premium, resumes.c.template_is_premium),
    "template_revision": func.coalesce(templates.c.revision, 0),
    "bought": resume_payments.c.paid,
    "entitled_until": subscriptions.c.entitled_until,
}


def _select_resumes(**replaced: ColumnElement[Any]) -> Select[Any]:
    """Select the fields of `Resume`."""
    own = {field.name: resumes.c[field.name] for field in fields(Resume) if field.name in resumes.c}
    columns = own | _JOINED | replaced
    return (
        select(*(column.label(name) for name, column in columns.items()))
        .select_from(resumes)
        .outerjoin(templates, templates.c.id == resumes.c.template_id)
        .outerjoin(resume_payments, resume_payments.c.resume_id == resumes.c.id)
        .outerjoin(subscriptions, subscriptions.c.owner == resumes.c.owner)
    )


_TOUCH = (
    update(resumes)
    .where(_BY_ID, _OWNED, func.date_trunc("second", resumes.c.last_accessed) < func.date_trunc("second", func.now()))
    .values(last_accessed=func.now())
    .returning(resumes.c.id)
    .cte("touched")
)
_FIND = Query(_select_resumes().where(_BY_ID, _OWNED), Resume)
_OPEN = Query(_select_resumes(last_accessed=func.now()).where(_BY_ID, _OWNED).add_cte(_TOUCH), Resume)
_LOCK = Query(_select_resumes().where(_BY_ID, _OWNED).with_for_update(of=resumes), Resume)
_POSITION = (resumes.c.created_at, resumes.c.id)
_LIST = Query(
    _select_resumes()
    .where(_OWNED, tuple_(*_POSITION) < tuple_(bindparam("created_at"), bindparam("resume_id")))
    .order_by(resumes.c.created_at.desc(), resumes.c.id.desc())
    .limit(bindparam("limit", type_=BigInteger))
    .offset(bindparam("offset", type_=BigInteger)),
    Resume,
)
_COUNT = Scalar(select(func.count()).select_from(resumes).where(_OWNED), int)
_PHOTO_IN_USE = Scalar(select(resumes.c.id).where(resumes.c.photo == bindparam("photo")), int)
_EXISTS = Scalar(select(resumes.c.id).where(_BY_ID), int)
_DELETED = (resumes.c.id, resumes.c.revision, resumes.c.photo)
_DELETE = Query(delete(resumes).where(_BY_ID).returning(*_DELETED), DeletedResume)
_DELETE_OWNED = Query(delete(resumes).where(_OWNED).returning(*_DELETED), DeletedResume)
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
    .limit(bindparam("limit"))
    .with_for_update(of=resumes, skip_locked=True)
)
_DELETE_ABANDONED = Query(delete(resumes).where(resumes.c.id.in_(_ABANDONED)).returning(*_DELETED), DeletedResume)
_TRANSFER = Statement(update(resumes).where(_OWNED).values(owner=bindparam("new_owner")))
_INSERT = Scalar(
    insert(resumes)
    .values(
        {
            name: bindparam(name)
            for name in (
                *(field.name for field in fields(ResumeContent)),
                "owner", "template_id", "template_is_premium", "revision",
            )
        }
    )
    .returning(resumes.c.id),
    int,
)  # fmt: skip
_JSON_ADAPTERS = dict.fromkeys((*NUMBERED_SECTIONS, *JSON_OBJECTS), Jsonb) | dict.fromkeys(FREE_SECTIONS, Json)


@dataclass(frozen=True, slots=True)
class _NewEntryId:
    section: str
    id: int


_NEW_ENTRY_IDS = Query(
    union_all(
        *(
            select(literal(section).label("section"), sequence.next_value().label("id")).select_from(
                func.generate_series(1, bindparam(section)).alias("numbers")
            )
            for section, sequence in entry_ids.items()
        )
    ),
    _NewEntryId,
)


async def find(tx: Transaction, owner: Owner, resume_id: int) -> Resume | None:
    """Return the owner's resume, or None."""
    return await tx.fetch_one(_FIND, resume_id=resume_id, owner=owner.key)


async def open_resume(tx: Transaction, owner: Owner, resume_id: int) -> Resume | None:
    """Return the owner's resume, or None. Updates `last_accessed` at most once a second, as responses show."""
    return await tx.fetch_one(_OPEN, resume_id=resume_id, owner=owner.key)


async def lock(tx: Transaction, owner: Owner, resume_id: int) -> Resume | None:
    """Lock the owner's resume until `tx` ends. Returns None if there is none."""
    return await tx.fetch_one(_LOCK, resume_id=resume_id, owner=owner.key)


async def list_owned(tx: Transaction, owner: Owner, after: Position, limit: int, offset: int) -> list[Resume]:
    """Return up to `limit` of the owner's resumes, newest first, starting `offset` behind the position `after`."""
    created_at, resume_id = after
    return await tx.fetch_all(
        _LIST, owner=owner.key, created_at=created_at, resume_id=resume_id, limit=limit, offset=offset
    )


async def count(tx: Transaction, owner: Owner) -> int:
    """Count the owner's resumes."""
    return await tx.fetch_one(_COUNT, owner=owner.key) or 0


async def is_photo_in_use(tx: Transaction, photo: str) -> bool:
    """Return whether a resume has the photo with this path."""
    return await tx.fetch_one(_PHOTO_IN_USE, photo=photo) is not None


async def exists(tx: Transaction, resume_id: int) -> bool:
    """Return whether the resume exists, of whatever owner."""
    return await tx.fetch_one(_EXISTS, resume_id=resume_id) is not None


async def add(
    tx: Transaction, owner: Owner, content: ResumeContent, template_id: int, template_is_premium: bool, revision: int
) -> int:
    """Insert a resume. Returns its id."""
    resume_id = await tx.fetch_one(
        _INSERT,
        **_adapt(content, (field.name for field in fields(ResumeContent))),
        owner=owner.key,
        template_id=template_id,
        template_is_premium=template_is_premium,
        revision=revision,
    )
    assert resume_id is not None
    return resume_id


async def change(tx: Transaction, resume: Resume, changed: Iterable[str]) -> None:
    """Update a locked resume: the `changed` fields of its content, its template, revision and times."""
    content = _adapt(resume, changed)
    await tx.execute(
        _update(tuple(content)),
        resume_id=resume.id,
        template_id=resume.template_id,
        template_is_premium=resume.template_is_premium,
        revision=resume.revision,
        updated_at=resume.updated_at,
        last_accessed=resume.last_accessed,
        **content,
    )


@cache
def _update(content: tuple[str, ...]) -> Statement:
    """Compile the UPDATE of these fields. Auto-saves use few combinations, so each is compiled once."""
    names = (*content, "template_id", "template_is_premium", "revision", "updated_at", "last_accessed")
    return Statement(update(resumes).where(_BY_ID).values({name: bindparam(name) for name in names}))


def _adapt(content: ResumeContent, names: Iterable[str]) -> dict[str, object]:
    values = {name: getattr(content, name) for name in names}
    return {
        name: _JSON_ADAPTERS[name](value) if name in _JSON_ADAPTERS and value is not None else value
        for name, value in values.items()
    }


async def new_entry_ids(tx: Transaction, counts: Mapping[str, int]) -> dict[str, list[int]]:
    """Return new ids for the entries of each section. `counts` has their number by section."""
    rows = await tx.fetch_all(_NEW_ENTRY_IDS, **{section: counts.get(section, 0) for section in entry_ids})
    return {section: [row.id for row in rows if row.section == section] for section in counts}


async def delete_one(tx: Transaction, resume_id: int) -> DeletedResume | None:
    """Delete a locked resume."""
    return await tx.fetch_one(_DELETE, resume_id=resume_id)


async def delete_owned(tx: Transaction, owner: Owner) -> list[DeletedResume]:
    """Delete all of an owner's resumes."""
    return await tx.fetch_all(_DELETE_OWNED, owner=owner.key)


async def delete_abandoned(tx: Transaction, before: datetime, limit: int) -> list[DeletedResume]:
    """Delete up to `limit` unpaid resumes of sessions that were last opened before that time."""
    return await tx.fetch_all(_DELETE_ABANDONED, before=before, limit=limit)


async def transfer(tx: Transaction, old: Owner, new: Owner) -> None:
    """Give all resumes of one owner to another."""
    await tx.execute(_TRANSFER, owner=old.key, new_owner=new.key)
