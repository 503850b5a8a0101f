"""The HTTP routes of resumes: dependencies read the request, a handler calls one action and serializes its result."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any

from cv_common.app import CallerDep, provide_context
from cv_common.drf.body import BodyReader, ParsedBody, PartialBodyReader, partial, read_data, validate, validate_partial
from cv_common.drf.openapi import openapi_extra, read_examples
from cv_common.drf.parameters import AcceptLanguage, IdempotencyKeyHeader, IfMatch
from cv_common.drf.sessions import ClaimBody, MergeBody, SessionId
from cv_common.kernel.errors import BadRequest, PreconditionFailed, UnsupportedMediaType, ValidationFailed
from cv_common.kernel.identity import SESSION_START_HEADER
from cv_common.kernel.paths import Id
from cv_common.kernel.ranges import file_response
from cv_common.kernel.responses import PRIVATE_FILE_HEADERS, JSONResponse, json_array, no_content
from cv_common.kernel.serialization import dump_json
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from cv_resumes.actions import exports, imports, lists, owners, photos, resumes
from cv_resumes.actions.context import Context
from cv_resumes.actions.idempotency import fingerprint
from cv_resumes.domain.idempotency import MAX_KEY_LENGTH, IdempotencyKey
from cv_resumes.domain.pages import Page, parse_page
from cv_resumes.domain.resumes import Resume
from cv_resumes.schemas.requests import (
    ExportBody,
    FileImportBody,
    ImportForm,
    ResumeBody,
    ResumeForm,
    ResumeRequest,
    UrlImportBody,
)
from cv_resumes.schemas.responses import (
    Export,
    ImportedResume,
    ResumeResponse,
    StaleVersion,
    serialize_resume,
    serialize_stale_version,
)


class ResumeRoute(APIRoute):
    """A route that answers 412 and 404 for the routes of one resume.

    An edit of an older version gets 412 and the current resume. An invalid request for a resume that does not exist
    gets 404, because DRF looks the resume up before it reads the body. Valid requests cost no extra query.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_errors(request: Request) -> Response:
            context: Context = request.app.state.context
            try:
                return await handle(request)
            except resumes.StaleVersion as error:
                body = serialize_stale_version(error.current, datetime.now(UTC), context.settings.public_base_url)
                raise PreconditionFailed(body, {"ETag": error.current.etag}) from None
            except (BadRequest, UnsupportedMediaType, ValidationFailed):
                if "id" in request.path_params:
                    await resumes.check_owned(context, request.state.caller, request.path_params["id"])
                raise

        return handle_errors


router = APIRouter(prefix="/api/resumes", tags=["resumes"], route_class=ResumeRoute)
media = APIRouter(include_in_schema=False)
internal = APIRouter(prefix="/internal", include_in_schema=False)

ContextDep = Annotated[Context, Depends(provide_context)]
SentData = Annotated[object, Depends(read_data)]
"""The body as plain data. FastAPI reads it once for all dependencies of a request."""


async def provide_page(request: Request) -> Page | None:
    """Dependency: the page that the query asks for. Like DRF, invalid numbers are ignored."""
    return parse_page(request.query_params.get("limit"), request.query_params.get("offset"))


async def provide_idempotency_key(data: SentData, header: IdempotencyKeyHeader = None) -> IdempotencyKey | None:
    """Dependency: the `Idempotency-Key` of a request with this data, if it has one. Raises BadRequest."""
    if not header:
        return None
    if len(header) > MAX_KEY_LENGTH:
        raise BadRequest(f"An Idempotency-Key has at most {MAX_KEY_LENGTH} characters.")
    return IdempotencyKey(header, fingerprint(data))


class NewResumeReader(PartialBodyReader[ResumeRequest]):
    """Dependency: the body of a new resume, from the data that the idempotency key is computed from, too."""

    async def __call__(self, data: SentData) -> ParsedBody[ResumeRequest]:  # type: ignore[override]  # FastAPI passes the dependency
        return validate_partial(data, self.model)


class ImportReader(BodyReader[UrlImportBody]):
    """Dependency: the body of an import. It is the import of a file if it has one."""

    async def __call__(self, data: SentData) -> UrlImportBody | FileImportBody:  # type: ignore[override]  # FastAPI passes the dependency
        has_file = isinstance(data, dict) and data.get("file") not in (None, "")
        return validate(data, FileImportBody) if has_file else validate(data, UrlImportBody)


PageDep = Annotated[Page | None, Depends(provide_page)]
KeyDep = Annotated[IdempotencyKey | None, Depends(provide_idempotency_key)]
NewResumeDep = Annotated[ParsedBody[ResumeRequest], Depends(NewResumeReader(ResumeBody, ResumeForm))]
ChangedResumeDep = Annotated[
    ParsedBody[ResumeRequest], Depends(PartialBodyReader(partial(ResumeBody), partial(ResumeForm)))
]
ImportDep = Annotated[UrlImportBody | FileImportBody, Depends(ImportReader(UrlImportBody, ImportForm))]

_IDEMPOTENT = """A request with an `Idempotency-Key` can be repeated for two days. The same account or session gets the
resume that the first request created, and nothing is created again. The answer is 400 if that resume was deleted or
claimed by an account, or if the key was used with other data. A visitor without a session must send a random UUID
(version 4, as `crypto.randomUUID()` returns): other keys are ignored."""

_STARTS_SESSION = """A visitor without a session gets a new one. A frontend for visitors without an account should send
this request first, so that all later requests belong to one session."""

_EXAMPLES = read_examples("cv_resumes")
_STALE: dict[int | str, dict[str, Any]] = {412: {"model": StaleVersion}}


def _respond(context: Context, resume: Resume) -> Response:
    body = serialize_resume(resume, datetime.now(UTC), context.settings.public_base_url)
    return JSONResponse(body, headers={"ETag": resume.etag})


def _respond_created(context: Context, created: resumes.CreatedResume) -> Response:
    resume, started = created.resume, created.started_session
    body = serialize_resume(resume, datetime.now(UTC), context.settings.public_base_url, created.import_report)
    headers = {"ETag": resume.etag} | ({SESSION_START_HEADER: started} if started else {})
    return JSONResponse(body, status_code=201, headers=headers)


@router.get(
    "/",
    response_model=list[ResumeResponse],
    openapi_extra=openapi_extra(
        parameters=("limit", "offset"),
        response_headers=("Link", "X-Total-Count", "Set-Cookie"),
        examples=_EXAMPLES["list_resumes"],
    ),
    summary="List my resumes, newest first: all, or a page of them",
    description=_STARTS_SESSION,
)
async def list_resumes(context: ContextDep, caller: CallerDep, page: PageDep) -> Response:
    base_url, now = context.settings.public_base_url, datetime.now(UTC)
    listed = await lists.list_resumes(
        context, caller, page, lambda resume: dump_json(serialize_resume(resume, now, base_url))
    )
    headers = {"X-Total-Count": str(listed.total)}
    if listed.started_session is not None:
        headers[SESSION_START_HEADER] = listed.started_session
    if page is not None and (link := page.link(f"{base_url}/api/resumes/", listed.total)):
        headers["Link"] = link
    return json_array(listed.first_chunk, listed.other_chunks, headers)


@router.post(
    "/",
    status_code=201,
    response_model=ResumeResponse,
    openapi_extra=openapi_extra(response_headers=("ETag", "Set-Cookie"), examples=_EXAMPLES["create_resume"]),
    summary="Create a resume, with or without an account",
    description=_IDEMPOTENT,
)
async def create_resume(context: ContextDep, caller: CallerDep, key: KeyDep, body: NewResumeDep) -> Response:
    return _respond_created(context, await resumes.create_resume(context, caller, body, key))


@router.get(
    "/{id:int}/",
    response_model=ResumeResponse,
    openapi_extra=openapi_extra(response_headers=("ETag", "Set-Cookie"), examples=_EXAMPLES["get_resume"]),
    summary="Get a resume",
)
async def get_resume(context: ContextDep, caller: CallerDep, resume_id: Id) -> Response:
    return _respond(context, await resumes.open_resume(context, caller, resume_id))


@router.patch(
    "/{id:int}/",
    response_model=ResumeResponse,
    responses=_STALE,
    openapi_extra=openapi_extra(response_headers=("ETag", "Set-Cookie"), examples=_EXAMPLES["change_resume"]),
    summary="Save the fields that are sent (auto-save)",
)
async def change_resume(
    context: ContextDep, caller: CallerDep, resume_id: Id, body: ChangedResumeDep, if_match: IfMatch = None
) -> Response:
    return _respond(context, await resumes.change_resume(context, caller, resume_id, body, if_match))


@router.delete(
    "/{id:int}/",
    status_code=204,
    responses=_STALE,
    openapi_extra=openapi_extra(response_headers=("Set-Cookie",), examples=_EXAMPLES["delete_resume"]),
    summary="Delete a resume and its files",
)
async def delete_resume(context: ContextDep, caller: CallerDep, resume_id: Id, if_match: IfMatch = None) -> Response:
    await resumes.delete_resume(context, caller, resume_id, if_match)
    return no_content()


@router.post(
    "/{id:int}/export_pdf/",
    response_model=Export,
    dependencies=[Depends(BodyReader(ExportBody))],
    openapi_extra=openapi_extra(response_headers=("Set-Cookie",), examples=_EXAMPLES["export_pdf"]),
    summary="Create a PDF, with a watermark if the template is premium and nothing is paid",
)
async def export_pdf(
    context: ContextDep, caller: CallerDep, resume_id: Id, accept_language: AcceptLanguage = None
) -> Response:
    pdf = await exports.export_pdf(context, caller, resume_id, accept_language or "")
    return JSONResponse({"pdf_url": context.settings.public_base_url + pdf.path, "has_watermark": pdf.has_watermark})


@router.post(
    "/import_linkedin/",
    status_code=201,
    response_model=ImportedResume,
    openapi_extra=openapi_extra(response_headers=("ETag", "Set-Cookie"), examples=_EXAMPLES["import_linkedin"]),
    summary="Create a resume from the URL of a LinkedIn profile, or from a member's data export",
    description=_IDEMPOTENT,
)
async def import_linkedin(
    context: ContextDep, caller: CallerDep, key: KeyDep, body: ImportDep, accept_language: AcceptLanguage = None
) -> Response:
    created = await imports.import_linkedin(context, caller, body, accept_language or "", key)
    return _respond_created(context, created)


@media.get("/media/resumes/photos/{name}")
async def get_photo(request: Request, context: ContextDep, name: str) -> Response:
    content, media_type = await photos.find_photo(context, name)
    return file_response(request, content, media_type, PRIVATE_FILE_HEADERS)


@internal.get("/resumes/{id:int}/")
async def find_resume(context: ContextDep, resume_id: Id) -> Response:
    await resumes.check_exists(context, resume_id)
    return JSONResponse({"id": resume_id})


@internal.post("/sessions/{session_id}/claim/", status_code=204)
async def claim_session(
    context: ContextDep, session_id: SessionId, body: Annotated[ClaimBody, Depends(BodyReader(ClaimBody))]
) -> Response:
    await owners.claim_session(context, session_id, body.user_id)
    return no_content()


@internal.post("/sessions/{session_id}/merge/", status_code=204)
async def merge_session(
    context: ContextDep, session_id: SessionId, body: Annotated[MergeBody, Depends(BodyReader(MergeBody))]
) -> Response:
    await owners.merge_session(context, session_id, body.into_session_id)
    return no_content()
