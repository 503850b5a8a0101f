"""A resume written, read, saved and deleted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cv_common.drf.body import partial, validate_partial
from cv_common.drf.forms import UploadedFile
from cv_common.kernel.database import Row, Transaction
from cv_common.kernel.errors import (
    BadRequest,
    NotFound,
    PreconditionFailed,
    UnsupportedMediaType,
    UserNotFound,
    ValidationFailed,
)
from cv_common.kernel.identity import Caller
from cv_common.kernel.revision import next_revision
from cv_common.messaging import outbox
from cv_common.messaging.events import ResumeDeleted

from cv_resumes.actions.context import Context, found, known_owner, owner_of
from cv_resumes.actions.once import GONE, GONE_ON, IdempotencyKey, already_created, remember_created
from cv_resumes.actions.photos import discard_photos, keep_photo, photo_url, remove_photos, take_photo
from cv_resumes.clients import Template
from cv_resumes.domain.owners import Owner, Quotas, new_session_id
from cv_resumes.domain.photos import NOT_A_FILE
from cv_resumes.domain.sections import (
    ENTRY_SECTIONS,
    FREE_SECTIONS,
    SECTIONS,
    excess,
    missing_ids,
    number_entries,
    reconcile_section,
    says_same,
)
from cv_resumes.domain.versions import etag, may_change
from cv_resumes.repository import owners, resumes
from cv_resumes.schemas.answers import present_resume
from cv_resumes.schemas.requests import ResumeBody, columns_sent


async def open_resume(context: Context, caller: Caller, resume_id: int) -> Row:
    """One resume, whose `last_accessed` moves. Raises NotFound."""
    async with context.database.connection() as tx:
        return found(await resumes.open_visible(tx, known_owner(caller), resume_id))


async def create_resume(
    context: Context,
    caller: Caller,
    data: Any,
    once: IdempotencyKey | None = None,
    model: type[ResumeBody] = ResumeBody,
) -> tuple[Row, str | None]:
    """A new resume from request data, read as `model`; and the id of the session started for it, if one was.

    Raises ValidationFailed, BadRequest (too large, one too many, `once` was used otherwise or its resume is
    gone), UserNotFound and ServiceUnavailable (the template cannot be looked up).
    """
    body, template = await _checked(context, data, model)
    assert template is not None, "a new resume's body names its template"
    if not template.is_active:
        raise _no_such_template(data["template"])
    columns = {
        **columns_sent(body),
        "template_id": template.id,
        "template_is_premium": template.is_premium,
        "photo": await _photo_sent(context, body.photo),
    }
    return await _create(context, owner_of(caller), columns, once)


async def _create(
    context: Context, caller: Owner | None, columns: Row, once: IdempotencyKey | None
) -> tuple[Row, str | None]:
    async with context.database.transaction() as tx:
        if once is not None and (earlier := await already_created(tx, once, caller)) is not None:
            owner = Owner.of_key(earlier["owner"])
            row = await resumes.visible(tx, owner, earlier["resume_id"])
            if row is None:
                raise BadRequest(GONE_ON if await resumes.exists(tx, earlier["resume_id"]) else GONE)
            return row, owner.session_id if owner != caller else None
        owner, started = await _owner_for_new(context, tx, caller)
        columns |= await _reconciled(tx, {section: [] for section in SECTIONS}, columns)
        columns |= {"owner": owner.key, "revision": next_revision(0)}
        _check_size(columns)
        await keep_photo(tx, columns["photo"])
        added = await resumes.add(tx, columns)
        if once is not None:
            await remember_created(tx, once, caller, owner, added["id"])
        return found(await resumes.visible(tx, owner, added["id"])), started


async def _owner_for_new(context: Context, tx: Transaction, owner: Owner | None) -> tuple[Owner, str | None]:
    """Whose a new thing is. A visitor without a live session gets a new one, whose id comes second.

    Raises UserNotFound when the account was erased and BadRequest when the owner has too many resumes already.
    """
    if owner is not None and await owners.lock_live(tx, owner):
        quotas = Quotas(context.settings.max_resumes, context.settings.max_anonymous_resumes)
        if (refusal := quotas.refusal(owner, await resumes.count(tx, owner))) is not None:
            raise BadRequest(refusal)
        return owner, None
    if owner is not None and owner.user_id is not None:
        raise UserNotFound
    started = new_session_id()
    return Owner(session_id=started), started


async def _photo_sent(context: Context, photo: UploadedFile | str | None) -> str | None:
    """The path of a new resume's photo, if it has one."""
    if photo is None:
        return None
    if isinstance(photo, str):
        raise ValidationFailed.on("photo", NOT_A_FILE)
    return await take_photo(context, photo)


@asynccontextmanager
async def found_first(context: Context, caller: Caller, resume_id: int) -> AsyncIterator[None]:
    """Around what reads a request about a resume: DRF looks the resume up before it reads, so 404 comes before 400.

    It is looked up only when the request is refused: a good one finds out by itself. Raises NotFound.
    """
    try:
        yield
    except (BadRequest, UnsupportedMediaType, ValidationFailed):
        async with context.database.connection() as tx:
            found(await resumes.visible(tx, known_owner(caller), resume_id))
        raise


async def change_resume(
    context: Context, caller: Caller, resume_id: int, data: Any, if_match: str | None = None
) -> Row:
    """Save the fields that were sent, and only those.

    Raises NotFound, ValidationFailed, BadRequest (too large) and PreconditionFailed (changed since `if_match`).
    """
    owner = known_owner(caller)
    body, template = await _checked(context, data, partial(ResumeBody))
    edit = _Edit(columns_sent(body), template, data.get("template"), if_match)
    if isinstance(body.photo, str):
        edit.photo_url = body.photo
    elif "photo" in body.model_fields_set:
        edit.columns["photo"] = await take_photo(context, body.photo) if body.photo is not None else None
    after, discarded = await _change(context, owner, resume_id, edit)
    await remove_photos(context, discarded)
    return after


@dataclass
class _Edit:
    """What a partial update brings: columns, perhaps another template, perhaps the photo's own address sent back.

    `pk` is how the template was named.
    """

    columns: Row
    template: Template | None
    pk: Any
    if_match: str | None
    photo_url: str | None = None


async def _change(context: Context, owner: Owner, resume_id: int, edit: _Edit) -> tuple[Row, list[str]]:
    """The resume as it is now, and the photos that were discarded."""
    columns, template = edit.columns, edit.template
    async with context.database.transaction() as tx:
        stored = await _lock(context, tx, owner, resume_id, edit.if_match)
        if template is not None:
            if not template.is_active and template.id != stored["template_id"]:
                raise _no_such_template(edit.pk)
            columns |= {"template_id": template.id, "template_is_premium": template.is_premium}
        if edit.photo_url is not None and edit.photo_url != photo_url(context, stored):
            raise ValidationFailed.on("photo", NOT_A_FILE)
        columns |= await _reconciled(tx, stored, columns)
        changes = {
            name: value
            for name, value in columns.items()
            if not says_same(stored[name], value, keys_in_order=name in FREE_SECTIONS)
        }
        _check_size({**stored, **changes})
        discarded = []
        if "photo" in changes:
            await keep_photo(tx, changes["photo"])
            discarded = await discard_photos(tx, [stored["photo"]])
        now = datetime.now(UTC)
        if changes:
            changes |= {"updated_at": now, "revision": next_revision(stored["revision"])}
        changed = await resumes.change(tx, resume_id, {**changes, "last_accessed": now})
    return {**stored, **changed}, discarded


async def delete_resume(context: Context, caller: Caller, resume_id: int, if_match: str | None = None) -> None:
    """Delete a resume with its photo; its PDFs go when the renderer hears of it.

    Raises NotFound and PreconditionFailed (changed since `if_match`).
    """
    owner = known_owner(caller)
    async with context.database.transaction() as tx:
        await _lock(context, tx, owner, resume_id, if_match)
        removed = found(await resumes.remove(tx, resume_id))
        await tell_deleted(tx, removed)
        discarded = await discard_photos(tx, [removed["photo"]])
    await remove_photos(context, discarded)


async def _lock(context: Context, tx: Transaction, owner: Owner, resume_id: int, if_match: str | None) -> Row:
    """The resume, which nobody else changes until `tx` ends. Raises NotFound and PreconditionFailed."""
    stored = found(await resumes.lock_visible(tx, owner, resume_id))
    if not may_change(if_match, stored["revision"]):
        current = present_resume(stored, datetime.now(UTC), context.settings.public_base_url)
        raise PreconditionFailed(
            {"detail": "This CV has changed since the version you are working on.", "current": current},
            {"ETag": etag(stored["revision"])},
        )
    return stored


async def tell_deleted(tx: Transaction, removed: Row) -> None:
    """Tell of a resume that `tx` removes."""
    await outbox.record(tx, ResumeDeleted(resume_id=removed["id"], revision=next_revision(removed["revision"])))


async def check_exists(context: Context, resume_id: int) -> None:
    """Is there such a resume, whosever it is? Another service asks. Raises NotFound."""
    async with context.database.connection() as tx:
        if not await resumes.exists(tx, resume_id):
            raise NotFound


async def _checked(context: Context, data: Any, model: type[ResumeBody]) -> tuple[ResumeBody, Template | None]:
    """The valid body and the template it names, if it names one; every field error at once."""
    body, errors = validate_partial(data, model)
    template = None
    if "template" in body.model_fields_set:
        template = await context.templates.get(body.template)
        if template is None:
            errors |= _no_such_template(data["template"]).body
    if errors:
        raise ValidationFailed(errors)
    return body, template


def _no_such_template(pk: Any) -> ValidationFailed:
    """The refusal of a template, named as the request did: `1_0` is a number to Python, but is not told as 10."""
    return ValidationFailed.on("template", f'Invalid pk "{pk}" - object does not exist.')


async def _reconciled(tx: Transaction, stored: Row, sent: dict[str, Any]) -> dict[str, Any]:
    """The sections that were sent, as they are to be stored: entries keep their ids or get new ones."""
    sections = {
        section: reconcile_section(stored[section], sent[section]) for section in ENTRY_SECTIONS if section in sent
    }
    wanted = {section: missing_ids(entries) for section, entries in sections.items()}
    if any(wanted.values()):
        new_ids = await resumes.new_entry_ids(tx, wanted)
        sections = {section: number_entries(entries, new_ids[section]) for section, entries in sections.items()}
    return sections


def _check_size(columns: Row) -> None:
    """Raise BadRequest for more than a CV can be."""
    if (reason := excess(columns)) is not None:
        raise BadRequest(reason)
