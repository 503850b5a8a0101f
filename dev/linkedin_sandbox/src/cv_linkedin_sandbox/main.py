"""Composition root: the stand-in as one web application."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cv_linkedin_sandbox.faults import FAULTS
from cv_linkedin_sandbox.people import find
from cv_linkedin_sandbox.settings import Settings

_PROFILE = "https://www.linkedin.com/in/"


def app() -> Starlette:
    """The application as the environment describes it."""
    return create_app(Settings.from_environment())


def create_app(settings: Settings) -> Starlette:
    """The application for these settings."""

    async def profile(request: Request) -> Response:
        if settings.token and request.headers.get("authorization") != f"Bearer {settings.token}":
            return JSONResponse({"error": "This needs a valid bearer token."}, 401)
        url = request.query_params.get("url", "")
        if not url.startswith(_PROFILE):
            return JSONResponse({"error": f"The query parameter `url` begins with {_PROFILE}."}, 400)
        slug = url.removeprefix(_PROFILE).lower()
        if slug in FAULTS:
            return await FAULTS[slug](request)
        document = find(slug)
        return JSONResponse({"error": "No such profile."}, 404) if document is None else JSONResponse(document)

    return Starlette(routes=[Route("/profiles", profile), Route("/healthz", _healthy)])


async def _healthy(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})
