"""Composition root: the sandbox as one web application."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cv_linkedin_sandbox.faults import FAULTS
from cv_linkedin_sandbox.people import find_profile
from cv_linkedin_sandbox.settings import Settings

_PROFILE_URL = "https://www.linkedin.com/in/"


def app() -> Starlette:
    """Create the application from the environment."""
    return create_app(Settings.from_environment())


def create_app(settings: Settings) -> Starlette:
    """Create the application."""

    async def profile(request: Request) -> Response:
        if settings.token and request.headers.get("authorization") != f"Bearer {settings.token}":
            return JSONResponse({"error": "A valid bearer token is required."}, 401)
        url = request.query_params.get("url", "")
        if not url.startswith(_PROFILE_URL):
            return JSONResponse({"error": f"The query parameter `url` must start with {_PROFILE_URL}."}, 400)
        slug = url.removeprefix(_PROFILE_URL).lower()
        if slug in FAULTS:
            return await FAULTS[slug](request)
        document = find_profile(slug)
        return JSONResponse({"error": "No such profile."}, 404) if document is None else JSONResponse(document)

    return Starlette(routes=[Route("/profiles", profile), Route("/healthz", _healthz)])


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})
