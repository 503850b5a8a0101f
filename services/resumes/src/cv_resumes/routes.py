"""The HTTP door of resumes: read the request, call one action, shape the answer."""

from datetime import UTC, datetime
from typing import Annotated, Any

from cv_common.app import get_caller, get_context
from cv_common.drf.body import partial, read_body, read_data
from cv_common.drf.openapi import openapi_extra, read_examples
from cv_common.kernel.database import Row
from cv_common.kernel.errors import BadRequest
from cv_common.kernel.identity import SESSION_START_HEADER
from cv_common.kernel.paths import Id
from cv_common.kernel.ranges import file_response
from cv_common.kernel.responses import PRIVATE_FILE_HEADERS, JSONResponse, dump_json, json_array, no_content
from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from cv_resumes.actions import exports, imports, lists, owners, photos, resumes
from cv_resumes.actions.once import IdempotencyKey, fingerprint
from cv_resumes.domain.keys import MAX_LENGTH
from cv_resumes.domain.pages import page_of
from cv_resumes.domain.versions import etag
from cv_resumes.schemas.answers import (
    Export,
    ImportedResume,
    InternalResume,
    Resume,
    StaleVersion,
    present_resume,
)
from cv_resumes.schemas.requests import (
    ClaimBody,
    ExportBody,
    ImportForm,
    MergeBody,
    ResumeBody,
    ResumeForm,
    UrlImportBody,
)

router = APIRouter(prefix="/api/resumes", tags=["resumes"])
media = APIRouter(include_in_schema=False)
internal = APIRouter(prefix="/internal", include_in_schema=False)

_ONCE = """Sent again within two days with the same `Idempotency-Key` and the same data, by the same account or session,
the request creates nothing and answers with what the first one created, or with 400 when that has been deleted, or went
to an account from its session. A visitor who has no session yet is told from others by the key alone: it counts only
when it is a random UUID (version 4, as of `crypto.randomUUID()`)."""

_FIRST = """A visitor without a session is given one, so that all that follows belongs to it: a frontend for visitors
without an account asks this first."""

_EXAMPLES = read_examples("cv_resumes")
_STALE: dict[int | str, dict[str, Any]] = {412: {"model": StaleVersion}}


def _resume(
    request: Request, row: Row, status: int = 200, started: str | None = None, more: dict[str, Any] | None = None
) -> Response:
    body = present_resume(row, datetime.now(UTC), get_context(request).settings.public_base_url) | (more or {})
    headers = {"ETag": etag(row["revision"])} | ({SESSION_START_HEADER: started} if started else {})
    return JSONResponse(body, status_code=status, headers=headers)


@router.get(
    "/",
    response_model=list[Resume],
    openapi_extra=openapi_extra(
        sent=("limit", "offset"), answered=("Link", "X-Total-Count", "Set-Cookie"), examples=_EXAMPLES["list_resumes"]
    ),
    summary="My resumes, newest first; with limit, a page of them",
    description=_FIRST,
)
async def list_resumes(request: Request) -> Response:
    context = get_context(request)
    page = page_of(request.query_params.get("limit"), request.query_params.get("offset"))
    base_url, now = context.settings.public_base_url, datetime.now(UTC)
    listing = await lists.list_resumes(
        context, get_caller(request), page, lambda row: dump_json(present_resume(row, now, base_url))
    )
    headers = {"X-Total-Count": str(listing.total)}
    if listing.started is not None:
        headers[SESSION_START_HEADER] = listing.started
    if page is not None and (link := page.link(f"{base_url}/api/resumes/", listing.total)):
        headers["Link"] = link
    return json_array(listing.begin, listing.rest, headers)


@router.post(
    "/",
    status_code=201,
    response_model=Resume,
    openapi_extra=openapi_extra(
        ResumeBody,
        multipart=ResumeForm,
        sent=("Idempotency-Key",),
        answered=("ETag", "Set-Cookie"),
        examples=_EXAMPLES["create_resume"],
    ),
    summary="Write a resume, with or without an account",
    description=_ONCE,
)
async def create_resume(request: Request) -> Response:
    data = await read_data(request)
    once = idempotency_key(request, data)
    row, started = await resumes.create_resume(get_context(request), get_caller(request), data, once)
    return _resume(request, row, 201, started)


@router.get(
    "/{id:int}/",
    response_model=Resume,
    openapi_extra=openapi_extra(answered=("ETag", "Set-Cookie"), examples=_EXAMPLES["get_resume"]),
    summary="One resume",
)
async def get_resume(request: Request, resume_id: Id) -> Response:
    return _resume(request, await resumes.open_resume(get_context(request), get_caller(request), resume_id))


@router.patch(
    "/{id:int}/",
    response_model=Resume,
    responses=_STALE,
    openapi_extra=openapi_extra(
        partial(ResumeBody),
        multipart=partial(ResumeForm),
        sent=("If-Match",),
        answered=("ETag", "Set-Cookie"),
        examples=_EXAMPLES["change_resume"],
    ),
    summary="Save the fields that are sent (auto-save)",
)
async def change_resume(request: Request, resume_id: Id) -> Response:
    if_match = request.headers.get("if-match")
    async with resumes.found_first(get_context(request), get_caller(request), resume_id):
        data = await read_data(request)
        row = await resumes.change_resume(get_context(request), get_caller(request), resume_id, data, if_match)
    return _resume(request, row)


@router.delete(
    "/{id:int}/",
    status_code=204,
    responses=_STALE,
    openapi_extra=openapi_extra(sent=("If-Match",), answered=("Set-Cookie",), examples=_EXAMPLES["delete_resume"]),
    summary="Delete a resume and its files",
)
async def delete_resume(request: Request, resume_id: Id) -> Response:
    await resumes.delete_resume(get_context(request), get_caller(request), resume_id, request.headers.get("if-match"))
    return no_content()


@router.post(
    "/{id:int}/export_pdf/",
    response_model=Export,
    openapi_extra=openapi_extra(
        ExportBody, sent=("Accept-Language",), answered=("Set-Cookie",), examples=_EXAMPLES["export_pdf"]
    ),
    summary="Make a PDF; watermarked when the template is premium and nothing was paid",
)
async def export_pdf(request: Request, resume_id: Id) -> Response:
    context = get_context(request)
    async with resumes.found_first(context, get_caller(request), resume_id):
        await read_body(request, ExportBody)
    languages = request.headers.get("accept-language", "")
    path, watermarked = await exports.export_pdf(context, get_caller(request), resume_id, languages)
    return JSONResponse({"pdf_url": context.settings.public_base_url + path, "has_watermark": watermarked})


@router.post(
    "/import_linkedin/",
    status_code=201,
    response_model=ImportedResume,
    openapi_extra=openapi_extra(
        UrlImportBody,
        multipart=ImportForm,
        sent=("Idempotency-Key", "Accept-Language"),
        answered=("ETag", "Set-Cookie"),
        examples=_EXAMPLES["import_linkedin"],
    ),
    summary="Make a resume of a LinkedIn profile, by its address or from the member's data export",
    description=_ONCE,
)
async def import_linkedin(request: Request) -> Response:
    data, languages = await read_data(request), request.headers.get("accept-language", "")
    once = idempotency_key(request, data)
    imported = await imports.import_linkedin(get_context(request), get_caller(request), data, languages, once)
    more = {} if imported.report is None else {"import_report": imported.report}
    return _resume(request, imported.row, 201, imported.started, more)


def idempotency_key(request: Request, data: Any) -> IdempotencyKey | None:
    """The `Idempotency-Key`, if there is one, of a request that says `data`. Raises BadRequest when it is too long."""
    key = request.headers.get("idempotency-key")
    if not key:
        return None
    if len(key) > MAX_LENGTH:
        raise BadRequest(f"An Idempotency-Key has at most {MAX_LENGTH} characters.")
    return IdempotencyKey(key, fingerprint(data))


@media.get("/media/resumes/photos/{name}")
async def show_photo(request: Request, name: str) -> Response:
    content, media_type = await photos.show_photo(get_context(request), name)
    return file_response(request, content, media_type, PRIVATE_FILE_HEADERS)


@internal.get("/resumes/{id:int}/", response_model=InternalResume)
async def find_resume(request: Request, resume_id: Id) -> Response:
    await resumes.check_exists(get_context(request), resume_id)
    return JSONResponse({"id": resume_id})


@internal.post("/sessions/{session_id}/claim/", status_code=204)
async def claim_session(request: Request, session_id: Annotated[str, Path(max_length=64)]) -> Response:
    body = await read_body(request, ClaimBody)
    await owners.claim_session(get_context(request), session_id, body.user_id)
    return no_content()


@internal.post("/sessions/{session_id}/merge/", status_code=204)
async def merge_session(request: Request, session_id: Annotated[str, Path(max_length=64)]) -> Response:
    body = await read_body(request, MergeBody)
    await owners.merge_session(get_context(request), session_id, body.into_session_id)
    return no_content()
