"""The HTTP door of resumes: read the request, call one action, shape the answer."""

from datetime import UTC, datetime
from typing import Annotated

from cv_common.app import caller
from cv_common.body import patched, read_body, read_data
from cv_common.db import Row
from cv_common.identity import SESSION_START_HEADER
from cv_common.openapi import documented_body
from cv_common.responses import JSONResponse, no_content
from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from cv_resumes.actions import exports, owners, resumes
from cv_resumes.actions.context import Context
from cv_resumes.schemas import ClaimBody, Export, ExportBody, InternalResume, Resume, ResumeBody, present_resume

router = APIRouter(prefix="/api/resumes", tags=["resumes"])
internal = APIRouter(prefix="/internal", include_in_schema=False)

ResumeId = Annotated[int, Path(le=2**63 - 1)]


def context_of(request: Request) -> Context:
    """What the actions act with."""
    context: Context = request.app.state.context
    return context


def _resume(request: Request, row: Row, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = present_resume(row, datetime.now(UTC), context_of(request).settings.public_base_url)
    return JSONResponse(body, status_code=status, headers=headers)


@router.get("/", response_model=list[Resume], summary="My resumes, newest first")
async def list_resumes(request: Request) -> Response:
    context = context_of(request)
    rows = await resumes.list_resumes(context, caller(request))
    now = datetime.now(UTC)
    return JSONResponse([present_resume(row, now, context.settings.public_base_url) for row in rows])


@router.post(
    "/",
    status_code=201,
    response_model=Resume,
    openapi_extra=documented_body(ResumeBody),
    summary="Write a resume, with or without an account",
)
async def create_resume(request: Request) -> Response:
    row, started = await resumes.create_resume(context_of(request), caller(request), await read_data(request))
    return _resume(request, row, 201, {SESSION_START_HEADER: started} if started else None)


@router.get("/{resume_id:int}/", response_model=Resume, summary="One resume")
async def get_resume(request: Request, resume_id: ResumeId) -> Response:
    return _resume(request, await resumes.open_resume(context_of(request), caller(request), resume_id))


@router.patch(
    "/{resume_id:int}/",
    response_model=Resume,
    openapi_extra=documented_body(patched(ResumeBody)),
    summary="Save the fields that are sent (auto-save)",
)
async def change_resume(request: Request, resume_id: ResumeId) -> Response:
    data = await read_data(request)
    return _resume(request, await resumes.change_resume(context_of(request), caller(request), resume_id, data))


@router.delete("/{resume_id:int}/", status_code=204, summary="Delete a resume and its files")
async def delete_resume(request: Request, resume_id: ResumeId) -> Response:
    await resumes.delete_resume(context_of(request), caller(request), resume_id)
    return no_content()


@router.post(
    "/{resume_id:int}/export_pdf/",
    response_model=Export,
    openapi_extra=documented_body(ExportBody),
    summary="Make a PDF; watermarked when the template is premium and nothing was paid",
)
async def export_pdf(request: Request, resume_id: ResumeId) -> Response:
    await read_body(request, ExportBody)
    context = context_of(request)
    languages = request.headers.get("accept-language", "")
    path, watermarked = await exports.export_pdf(context, caller(request), resume_id, languages)
    return JSONResponse({"pdf_url": context.settings.public_base_url + path, "has_watermark": watermarked})


@internal.get("/resumes/{resume_id:int}/", response_model=InternalResume)
async def find_resume(request: Request, resume_id: ResumeId) -> Response:
    owner = await resumes.find_owner(context_of(request), resume_id)
    return JSONResponse({"id": resume_id, "user": owner.user_id, "session_id": owner.session_id})


@internal.post("/sessions/{session_id}/claim/", status_code=204)
async def claim_session(request: Request, session_id: Annotated[str, Path(max_length=64)]) -> Response:
    body = await read_body(request, ClaimBody)
    await owners.claim_session(context_of(request), session_id, body.user_id)
    return no_content()
