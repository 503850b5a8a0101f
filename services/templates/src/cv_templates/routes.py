"""HTTP routes of templates: parse the request, call one action, send its prepared response."""

from typing import Annotated, Any

from cv_common.app import provide_context
from cv_common.drf.openapi import OPTIONAL_TOKEN, OperationExtra, openapi_extra, read_examples
from cv_common.drf.parameters import IfNoneMatch
from cv_common.kernel.etag import etag_of, names_etag
from cv_common.kernel.paths import Id
from fastapi import APIRouter, Depends
from starlette.responses import Response

from cv_templates import actions
from cv_templates.actions import Context
from cv_templates.schemas import PreparedResponse, Template, TemplateSummary

_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The `ETag` in `If-None-Match` is current."}}

_EXAMPLES = read_examples("cv_templates")

router = APIRouter(prefix="/api/templates", tags=["templates"], responses=_NOT_MODIFIED)
media = APIRouter(prefix="/media/templates", include_in_schema=False)
internal = APIRouter(prefix="/internal/templates", include_in_schema=False)

ContextDep = Annotated[Context, Depends(provide_context)]


def _document(operation: str) -> OperationExtra:
    return openapi_extra(
        response_headers=("ETag", "Cache-Control"), security=OPTIONAL_TOKEN, examples=_EXAMPLES[operation]
    )


def _send(response: PreparedResponse, if_none_match: str | None) -> Response:
    """Return the response, or 304. Caches may store it and must revalidate it."""
    headers = {"ETag": response.etag, "Cache-Control": "public, no-cache"}
    if names_etag(if_none_match, response.etag):
        return Response(status_code=304, headers=headers)
    return Response(response.content, media_type="application/json", headers=headers)


@router.get(
    "/",
    response_model=list[TemplateSummary],
    openapi_extra=_document("list_templates"),
    summary="List all templates",
)
async def list_templates(context: ContextDep, if_none_match: IfNoneMatch = None) -> Response:
    return _send((await actions.get_responses(context)).all, if_none_match)


@router.get(
    "/{id:int}/",
    response_model=Template,
    openapi_extra=_document("get_template"),
    summary="Get a template with its sources",
)
async def get_template(context: ContextDep, template_id: Id, if_none_match: IfNoneMatch = None) -> Response:
    return _send(await actions.find_template(context, template_id), if_none_match)


@router.get(
    "/free/",
    response_model=list[TemplateSummary],
    openapi_extra=_document("list_free_templates"),
    summary="List the free templates",
)
async def list_free_templates(context: ContextDep, if_none_match: IfNoneMatch = None) -> Response:
    return _send((await actions.get_responses(context)).free, if_none_match)


@router.get(
    "/premium/",
    response_model=list[TemplateSummary],
    openapi_extra=_document("list_premium_templates"),
    summary="List the premium templates",
)
async def list_premium_templates(context: ContextDep, if_none_match: IfNoneMatch = None) -> Response:
    return _send((await actions.get_responses(context)).premium, if_none_match)


@media.get("/{slug}.png")
async def get_thumbnail(context: ContextDep, slug: str, if_none_match: IfNoneMatch = None) -> Response:
    content = await actions.read_thumbnail(context, slug)
    # A thumbnail of an earlier version does no harm for an hour.
    headers = {"ETag": etag_of(content), "Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    if names_etag(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/png", headers=headers)


@internal.get("/default/")
async def get_default_template(context: ContextDep, if_none_match: IfNoneMatch = None) -> Response:
    return _send(await actions.find_default_template(context), if_none_match)


@internal.get("/{id:int}/")
async def get_template_for_service(context: ContextDep, template_id: Id, if_none_match: IfNoneMatch = None) -> Response:
    return _send(await actions.find_template_for_service(context, template_id), if_none_match)
