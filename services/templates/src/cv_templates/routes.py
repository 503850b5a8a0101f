"""The HTTP door of templates: read the request, call one action, shape the answer."""

from typing import Any

from cv_common.app import get_context
from cv_common.drf.openapi import TOKEN_OR_NOTHING, OperationExtra, openapi_extra, read_examples
from cv_common.kernel.etag import etag_of, names_etag
from cv_common.kernel.paths import Id
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cv_templates import actions
from cv_templates.schemas import Answer, ListedTemplate, Template

_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "It is as `If-None-Match` says."}}

_EXAMPLES = read_examples("cv_templates")

router = APIRouter(prefix="/api/templates", tags=["templates"], responses=_NOT_MODIFIED)
media = APIRouter(prefix="/media/templates", include_in_schema=False)
internal = APIRouter(prefix="/internal/templates", include_in_schema=False)


def _documented(operation: str) -> OperationExtra:
    return openapi_extra(
        sent=("If-None-Match",),
        answered=("ETag", "Cache-Control"),
        security=TOKEN_OR_NOTHING,
        examples=_EXAMPLES[operation],
    )


def _send(request: Request, answer: Answer) -> Response:
    """The answer, to be kept by any cache and shown only after asking whether it still holds."""
    headers = {"ETag": answer.etag, "Cache-Control": "public, no-cache"}
    if names_etag(request.headers.get("if-none-match"), answer.etag):
        return Response(status_code=304, headers=headers)
    return Response(answer.content, media_type="application/json", headers=headers)


@router.get(
    "/",
    response_model=list[ListedTemplate],
    openapi_extra=_documented("list_templates"),
    summary="All templates",
)
async def list_templates(request: Request) -> Response:
    return _send(request, (await actions.answers(get_context(request))).everything)


@router.get(
    "/{id:int}/",
    response_model=Template,
    openapi_extra=_documented("get_template"),
    summary="One template, with its sources",
)
async def get_template(request: Request, template_id: Id) -> Response:
    return _send(request, await actions.find(get_context(request), template_id))


@router.get(
    "/free/",
    response_model=list[ListedTemplate],
    openapi_extra=_documented("list_free_templates"),
    summary="The templates that are free",
)
async def list_free_templates(request: Request) -> Response:
    return _send(request, (await actions.answers(get_context(request))).free)


@router.get(
    "/premium/",
    response_model=list[ListedTemplate],
    openapi_extra=_documented("list_premium_templates"),
    summary="The templates to be paid for",
)
async def list_premium_templates(request: Request) -> Response:
    return _send(request, (await actions.answers(get_context(request))).premium)


@media.get("/{slug}.png")
async def get_thumbnail(request: Request, slug: str) -> Response:
    content = await actions.open_thumbnail(get_context(request), slug)
    # A picture of an older version does no harm for an hour.
    headers = {"ETag": etag_of(content), "Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    if names_etag(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/png", headers=headers)


@internal.get("/default/")
async def get_default_template(request: Request) -> Response:
    return _send(request, await actions.find_default(get_context(request)))


@internal.get("/{id:int}/")
async def get_template_for_service(request: Request, template_id: Id) -> Response:
    return _send(request, await actions.find_for_service(get_context(request), template_id))
