"""Resumes written, read, saved and deleted."""

from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any

from cv_common import outbox
from cv_common.body import patched, validate
from cv_common.db import Row, Transaction
from cv_common.errors import BadRequest, NotFound, ValidationFailed
from cv_common.events import ResumeDeleted
from cv_common.identity import Caller
from cv_common.responses import dump_json
from cv_common.revision import next_revision

from cv_resumes import store
from cv_resumes.actions.context import Context, found, known_owner, owner_of
from cv_resumes.clients import Template
from cv_resumes.domain.owners import Owner
from cv_resumes.domain.sections import (
    ENTRY_SECTIONS,
    MAX_DOCUMENT_BYTES,
    MAX_ENTRIES,
    SECTIONS,
    missing_ids,
    number_entries,
    reconcile_section,
)
from cv_resumes.schemas import ResumeBody, columns_sent


async def list_resumes(context: Context, caller: Caller) -> list[Row]:
    """The caller's resumes, newest first."""
    owner = owner_of(caller)
    if owner is None:
        return []
    async with context.database.connection() as tx:
        return await store.owned_by(tx, owner)


async def open_resume(context: Context, caller: Caller, resume_id: int) -> Row:
    """One resume, whose `last_accessed` moves. Raises NotFound."""
    async with context.database.connection() as tx:
        return found(await store.open_visible(tx, known_owner(caller), resume_id))


async def create_resume(context: Context, caller: Caller, data: Any) -> tuple[Row, str | None]:
    """A new resume from request data; and the id of the session that was started for it, if one was.

    Raises ValidationFailed, BadRequest (too large) and Unavailable (the template cannot be looked up).
    """
    body, template = await _checked(context, data, ResumeBody)
    assert template is not None, "a new resume's body names its template"
    if not template.is_active:
        raise _no_such_template(template.id)
    sent = columns_sent(body)
    async with context.database.transaction() as tx:
        owner, started = await _owner_for_new(tx, caller)
        columns = {
            **sent,
            **await _reconciled(tx, {section: [] for section in SECTIONS}, sent),
            "owner": owner.key,
            "template_id": template.id,
            "template_is_premium": template.is_premium,
            "revision": next_revision(0),
        }
        _check_size(columns)
        added = await store.add(tx, columns)
        row = found(await store.visible(tx, owner, added["id"]))
    return row, started


async def _owner_for_new(tx: Transaction, caller: Caller) -> tuple[Owner, str | None]:
    """Whose a new thing is. A visitor without a live session gets a new one, whose id comes second."""
    owner = owner_of(caller)
    if owner is not None and (owner.session_id is None or await store.is_session_live(tx, owner.session_id)):
        return owner, None
    started = token_urlsafe(24)
    return Owner(session_id=started), started


async def change_resume(context: Context, caller: Caller, resume_id: int, data: Any) -> Row:
    """Save the fields that were sent, and only those. Raises NotFound, ValidationFailed, BadRequest."""
    owner = known_owner(caller)
    body, template = await _checked(context, data, patched(ResumeBody))
    sent = columns_sent(body)
    async with context.database.transaction() as tx:
        stored = found(await store.lock_visible(tx, owner, resume_id))
        if template is not None:
            if not template.is_active and template.id != stored["template_id"]:
                raise _no_such_template(template.id)
            sent |= {"template_id": template.id, "template_is_premium": template.is_premium}
        sent |= await _reconciled(tx, stored, sent)
        changes = {name: value for name, value in sent.items() if stored[name] != value}
        _check_size({**stored, **changes})
        now = datetime.now(UTC)
        if changes:
            changes |= {"updated_at": now, "revision": next_revision(stored["revision"])}
        changed = await store.change(tx, resume_id, {**changes, "last_accessed": now})
    return {**stored, **changed}


async def delete_resume(context: Context, caller: Caller, resume_id: int) -> None:
    """Delete a resume; its files go when the renderer hears of it. Raises NotFound."""
    async with context.database.transaction() as tx:
        removed = found(await store.remove(tx, known_owner(caller), resume_id))
        await tell_deleted(tx, removed)


async def tell_deleted(tx: Transaction, removed: Row) -> None:
    """Tell of a resume that `tx` removes."""
    await outbox.record(tx, ResumeDeleted(resume_id=removed["id"], revision=next_revision(removed["revision"])))


async def find_owner(context: Context, resume_id: int) -> Owner:
    """Whose a resume is, for another service. Raises NotFound."""
    async with context.database.connection() as tx:
        owner = await store.owner_of(tx, resume_id)
    if owner is None:
        raise NotFound
    return owner


async def _checked(context: Context, data: Any, model: type[ResumeBody]) -> tuple[ResumeBody, Template | None]:
    """The valid body and the template it names, if it names one; every field error at once."""
    errors: dict[str, Any] = {}
    body = template = None
    try:
        body = validate(data, model)
    except ValidationFailed as failed:
        errors = failed.body
    if (template_id := _template_id(data)) is not None:
        template = await context.templates.get(template_id)
        if template is None:
            errors |= _no_such_template(template_id).body
    if body is None or errors:
        raise ValidationFailed(errors)
    return body, template


def _template_id(data: Any) -> int | None:
    """The template that request data names, if what it says can be an id."""
    value = data.get("template") if isinstance(data, dict) else None
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _no_such_template(template_id: int) -> ValidationFailed:
    return ValidationFailed.on("template", f'Invalid pk "{template_id}" - object does not exist.')


async def _reconciled(tx: Transaction, stored: Row, sent: dict[str, Any]) -> dict[str, Any]:
    """The sections that were sent, as they are to be stored: entries keep their ids or get new ones."""
    sections = {
        section: reconcile_section(stored[section], sent[section]) for section in ENTRY_SECTIONS if section in sent
    }
    wanted = {section: missing_ids(entries) for section, entries in sections.items()}
    if any(wanted.values()):
        new_ids = await store.new_entry_ids(tx, wanted)
        sections = {section: number_entries(entries, new_ids[section]) for section, entries in sections.items()}
    return sections


def _check_size(columns: Row) -> None:
    """Raise BadRequest for more than a CV can be."""
    sections = {section: columns.get(section, []) for section in SECTIONS}
    if any(len(entries) > MAX_ENTRIES for entries in sections.values()):
        raise BadRequest(f"A section may have at most {MAX_ENTRIES} entries.")
    if len(dump_json({**sections, "summary": columns.get("summary")})) > MAX_DOCUMENT_BYTES:
        raise BadRequest(f"A CV may have at most {MAX_DOCUMENT_BYTES // 1024} KB.")
