"""Create, read, edit and delete resumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cv_common.drf.body import ParsedBody
from cv_common.drf.forms import UploadedFile
from cv_common.kernel.database import Transaction
from cv_common.kernel.errors import BadRequest, NotFound, UserNotFound, ValidationFailed, or_404
from cv_common.kernel.identity import Caller
from cv_common.kernel.revision import next_revision
from cv_common.messaging import outbox
from cv_common.messaging.events import ResumeDeleted

from cv_resumes.actions.context import Context, owner_of, owner_or_404
from cv_resumes.actions.idempotency import find_replay, save_created
from cv_resumes.actions.photos import attach_photo, delete_photo_files, detach_photos, store_photo
from cv_resumes.clients import Template
from cv_resumes.domain.content import NumberedEntry, ResumeContent, numbered_sections
from cv_resumes.domain.drafts import Note
from cv_resumes.domain.idempotency import IdempotencyKey
from cv_resumes.domain.owners import Owner, new_session_id, quota_error
from cv_resumes.domain.photos import NOT_A_FILE
from cv_resumes.domain.resumes import DeletedResume, Resume, changed_fields, photo_url, size_error
from cv_resumes.domain.sections import SentEntry, assign_ids, count_missing_ids, reconcile_section
from cv_resumes.repository import owners, resumes
from cv_resumes.schemas.requests import ResumeRequest, TemplateReference


class StaleVersion(Exception):
    """The edit was made to an older version. `current` is the resume as it is now."""

    def __init__(self, current: Resume) -> None:
        super().__init__("the resume has changed since")
        self.current = current


@dataclass(frozen=True, slots=True)
class CreatedResume:
    """A new resume, the id of the session that was started for it, if any, and the report of its import, if any."""

    resume: Resume
    started_session: str | None
    import_report: list[Note] | None = None


async def open_resume(context: Context, caller: Caller, resume_id: int) -> Resume:
    """Return the caller's resume and update its `last_accessed`. Raises NotFound."""
    async with context.database.connection() as tx:
        return or_404(await resumes.open_resume(tx, owner_or_404(caller), resume_id))


async def check_owned(context: Context, caller: Caller, resume_id: int) -> None:
    """Raise NotFound if the caller has no such resume."""
    async with context.database.connection() as tx:
        or_404(await resumes.find(tx, owner_or_404(caller), resume_id))


async def check_exists(context: Context, resume_id: int) -> None:
    """Raise NotFound if there is no such resume, of whatever owner. For other services."""
    async with context.database.connection() as tx:
        if not await resumes.exists(tx, resume_id):
            raise NotFound


async def create_resume(
    context: Context, caller: Caller, body: ParsedBody[ResumeRequest], key: IdempotencyKey | None = None
) -> CreatedResume:
    """Create a resume, or find the one that an earlier request with this key created.

    Raises ValidationFailed, BadRequest (the content is too large, the owner has too many resumes, or the key was used
    for another request), UserNotFound and ServiceUnavailable (templates does not answer).
    """
    template = await _find_template(context, body)
    assert template is not None, "a body without a template is not valid"
    request = body.validated()
    if not template.is_active:
        raise _no_such_template(request.template)
    photo = await store_photo(context, request.photo) if request.photo is not None else None
    sender = owner_of(caller)
    async with context.database.transaction() as tx:
        if key is not None and (replay := await find_replay(tx, key, sender)) is not None:
            return CreatedResume(replay, replay.owner.session_id if replay.owner != sender else None)
        owner, started_session = await _owner_of_new(context, tx, sender)
        content = request.content(await _number_entries(tx, {}, request.sent_entries()), photo)
        _check_size(content)
        await attach_photo(tx, photo)
        resume_id = await resumes.add(tx, owner, content, template.id, template.is_premium, next_revision(0))
        if key is not None:
            await save_created(tx, key, sender, owner, resume_id)
        return CreatedResume(or_404(await resumes.find(tx, owner, resume_id)), started_session)


async def _owner_of_new(context: Context, tx: Transaction, owner: Owner | None) -> tuple[Owner, str | None]:
    """Return the owner of a new resume. A visitor without a live session gets a new one, whose id comes second.

    Raises UserNotFound if the account was erased, and BadRequest if the owner has too many resumes.
    """
    if owner is not None and await owners.lock_live(tx, owner):
        settings, count = context.settings, await resumes.count(tx, owner)
        error = quota_error(owner, count, settings.max_resumes, settings.max_anonymous_resumes)
        if error is not None:
            raise BadRequest(error)
        return owner, None
    if owner is not None and owner.user_id is not None:
        raise UserNotFound
    session_id = new_session_id()
    return Owner(session_id=session_id), session_id


async def change_resume(
    context: Context, caller: Caller, resume_id: int, body: ParsedBody[ResumeRequest], if_match: str | None = None
) -> Resume:
    """Save the fields that were sent, and only those.

    Raises NotFound, ValidationFailed, BadRequest (the content is too large), StaleVersion (the resume is not the
    version of `if_match`) and ServiceUnavailable (templates does not answer).
    """
    owner = owner_or_404(caller)
    template = await _find_template(context, body)
    request = body.validated()
    photo = await store_photo(context, request.photo) if isinstance(request.photo, UploadedFile) else None
    async with context.database.transaction() as tx:
        stored = edited = await _lock(tx, owner, resume_id, if_match)
        if template is not None and template.id != stored.template_id:
            if not template.is_active:
                raise _no_such_template(request.template)
            edited = replace(edited, template_id=template.id, template_is_premium=template.is_premium)
        if isinstance(request.photo, str) and request.photo != photo_url(stored, context.settings.public_base_url):
            raise ValidationFailed.on("photo", NOT_A_FILE)
        if photo is not None or request.removes_photo:
            edited = replace(edited, photo=photo)
        sections = await _number_entries(tx, numbered_sections(stored), request.sent_entries())
        edited = request.apply_to(edited, sections, datetime.now(UTC), next_revision(stored.revision))
        saved, detached_photos = await _save(tx, stored, edited)
    await delete_photo_files(context, detached_photos)
    return saved


async def _save(tx: Transaction, stored: Resume, edited: Resume) -> tuple[Resume, list[str]]:
    """Save what differs from `stored`. Returns the saved resume, and the photos whose files are to be deleted."""
    changed = changed_fields(stored, edited)
    is_changed = changed or edited.template_id != stored.template_id
    saved = edited if is_changed else replace(stored, last_accessed=edited.last_accessed)
    _check_size(saved)
    detached_photos = []
    if saved.photo != stored.photo:
        await attach_photo(tx, saved.photo)
        detached_photos = await detach_photos(tx, [stored.photo])
    await resumes.change(tx, saved, changed)
    if saved.template_id != stored.template_id:  # an event may be newer than the answer of templates
        saved = or_404(await resumes.find(tx, stored.owner, stored.id))
    return saved, detached_photos


async def delete_resume(context: Context, caller: Caller, resume_id: int, if_match: str | None = None) -> None:
    """Delete a resume and its photo. The renderer deletes its PDFs when it gets the event.

    Raises NotFound and StaleVersion (the resume is not the version of `if_match`).
    """
    async with context.database.transaction() as tx:
        await _lock(tx, owner_or_404(caller), resume_id, if_match)
        deleted = or_404(await resumes.delete_one(tx, resume_id))
        photos = await clean_up_deleted(tx, [deleted])
    await delete_photo_files(context, photos)


async def _lock(tx: Transaction, owner: Owner, resume_id: int, if_match: str | None) -> Resume:
    """Lock a resume until `tx` ends. Raises NotFound and StaleVersion."""
    stored = or_404(await resumes.lock(tx, owner, resume_id))
    if not stored.is_version(if_match):
        raise StaleVersion(stored)
    return stored


async def clean_up_deleted(tx: Transaction, deleted: Sequence[DeletedResume]) -> list[str]:
    """Publish that `tx` deletes these resumes. Returns the photos whose files are to be deleted after the commit."""
    for resume in deleted:
        await outbox.record(tx, ResumeDeleted(resume_id=resume.id, revision=next_revision(resume.revision)))
    return await detach_photos(tx, [resume.photo for resume in deleted])


async def _find_template(context: Context, body: ParsedBody[ResumeRequest]) -> Template | None:
    """Return the template that the body names, if any. Raises ValidationFailed with all errors of the body."""
    errors, template, reference = {}, None, body.get(lambda fields: fields.template)
    if reference is not None:
        template = await context.templates.get(reference.id)
        if template is None:
            errors = _no_such_template(reference).body
    body.validated(errors)
    return template


def _no_such_template(reference: TemplateReference) -> ValidationFailed:
    return ValidationFailed.on("template", f'Invalid pk "{reference.sent}" - object does not exist.')


async def _number_entries(
    tx: Transaction, stored: Mapping[str, Sequence[NumberedEntry]], sent: Mapping[str, Sequence[SentEntry]]
) -> dict[str, list[NumberedEntry]]:
    """Return the sections of `sent` as they are to be stored: their entries keep their ids or get new ones."""
    sections = {section: reconcile_section(stored.get(section, ()), entries) for section, entries in sent.items()}
    missing = {section: count_missing_ids(entries) for section, entries in sections.items()}
    new_ids = await resumes.new_entry_ids(tx, missing) if any(missing.values()) else {}
    return {section: assign_ids(entries, new_ids.get(section, ())) for section, entries in sections.items()}


def _check_size(content: ResumeContent) -> None:
    if (error := size_error(content)) is not None:
        raise BadRequest(error)
