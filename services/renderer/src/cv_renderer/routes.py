"""The HTTP door of the renderer: services order files, anybody with a link fetches a PDF."""

from typing import TypeVar

from cv_common.app import get_context
from cv_common.kernel.errors import BadRequest
from cv_common.kernel.ranges import file_response
from cv_common.kernel.responses import PRIVATE_FILE_HEADERS, JSONResponse
from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from cv_renderer.actions import pdfs, thumbnails
from cv_renderer.schemas import PdfOrder, ThumbnailOrder, present_link

internal = APIRouter(prefix="/internal", include_in_schema=False)
media = APIRouter(prefix="/media/resumes/pdfs", include_in_schema=False)

Order = TypeVar("Order", bound=BaseModel)


async def _read(request: Request, model: type[Order]) -> Order:
    """The request's body. Services are asked for exact JSON, so one sentence about what is wrong will do."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadRequest(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


@internal.post("/pdfs/")
async def order_pdf(request: Request) -> Response:
    link = await pdfs.order_pdf(get_context(request), await _read(request, PdfOrder))
    return JSONResponse(present_link(link["token"], link["file_name"], link["expires_at"]))


@internal.post("/thumbnails/")
async def make_thumbnail(request: Request) -> Response:
    picture = await thumbnails.make_thumbnail(get_context(request), await _read(request, ThumbnailOrder))
    return Response(picture, media_type="image/png")


@media.get("/{token}/{file_name}")
async def fetch_pdf(request: Request, token: str, file_name: str) -> Response:
    content = await pdfs.fetch_pdf(get_context(request), token, file_name)
    headers = {"Content-Disposition": f'inline; filename="{file_name}"', **PRIVATE_FILE_HEADERS}
    return file_response(request, content, "application/pdf", headers)
