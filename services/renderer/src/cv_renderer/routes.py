"""HTTP routes: services create files, and anyone with a link fetches a PDF."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from cv_common.app import provide_context
from cv_common.kernel.errors import BadRequest
from cv_common.kernel.ranges import file_response
from cv_common.kernel.responses import PRIVATE_FILE_HEADERS, JSONResponse
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from cv_renderer.actions import pdfs, rendering
from cv_renderer.actions.context import Context
from cv_renderer.schemas import PdfRequest, ThumbnailRequest, serialize_link

internal = APIRouter(prefix="/internal", include_in_schema=False)
media = APIRouter(prefix="/media/resumes/pdfs", include_in_schema=False)

ContextDep = Annotated[Context, Depends(provide_context)]
Body = TypeVar("Body", bound=BaseModel)


def read_json(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """Return the dependency for a JSON body of a service. It raises BadRequest, which names the first invalid field."""

    async def read(request: Request) -> Body:
        try:
            return model.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise BadRequest(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None

    return read


@internal.post("/pdfs/")
async def create_pdf(context: ContextDep, body: Annotated[PdfRequest, Depends(read_json(PdfRequest))]) -> Response:
    return JSONResponse(serialize_link(await pdfs.create_pdf(context, body)))


@internal.post("/thumbnails/")
async def create_thumbnail(
    context: ContextDep, body: Annotated[ThumbnailRequest, Depends(read_json(ThumbnailRequest))]
) -> Response:
    return Response(await rendering.create_thumbnail(context, body), media_type="image/png")


@media.get("/{token}/{file_name}")
async def fetch_pdf(context: ContextDep, request: Request, token: str, file_name: str) -> Response:
    content = await pdfs.fetch_pdf(context, token, file_name)
    headers = {"Content-Disposition": f'inline; filename="{file_name}"', **PRIVATE_FILE_HEADERS}
    return file_response(request, content, "application/pdf", headers)
