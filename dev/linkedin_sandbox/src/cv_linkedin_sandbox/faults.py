"""Faults on demand: profile names that make the provider fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

_SLOW_SECONDS = 60
"""Longer than the timeout of any client."""


async def _down(_request: Request) -> Response:
    return JSONResponse({"error": "Under maintenance."}, 503)


async def _throttled(_request: Request) -> Response:
    return JSONResponse({"error": "Too many requests."}, 429, {"Retry-After": "7"})


async def _slow(_request: Request) -> Response:
    await asyncio.sleep(_SLOW_SECONDS)
    return JSONResponse({})


async def _endless(request: Request) -> Response:
    async def content() -> AsyncIterator[bytes]:
        yield b'{"basics": {"summary": "'
        while not await request.is_disconnected():
            yield b"on and on " * 1000

    return StreamingResponse(content(), media_type="application/json")


async def _redirects(request: Request) -> Response:
    return RedirectResponse(request.url.include_query_params(url="https://www.linkedin.com/in/johndoe"))


async def _garbled(_request: Request) -> Response:
    return Response("<html>Sign in to continue</html>", media_type="application/json")


FAULTS: dict[str, Callable[[Request], Awaitable[Response]]] = {
    "source-down": _down,
    "source-throttled": _throttled,
    "source-slow": _slow,
    "source-endless": _endless,
    "source-redirects": _redirects,
    "source-garbled": _garbled,
}
