"""The gateway's own pages: landing page, API documentation, OpenAPI document and health."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from cv_common.kernel.etag import names_etag

from cv_gateway.errors import MethodNotAllowed
from cv_gateway.openapi import MergedSchema
from cv_gateway.request import Headers, Request
from cv_gateway.settings import Settings

_HTML, _CSS, _JS = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"
_CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALLOWED_METHODS = "GET, HEAD, OPTIONS"
_MIN_COMPRESSED_SIZE = 1024


@dataclass(frozen=True)
class Page:
    """The response to a request for a page."""

    status: int
    headers: Headers
    body: bytes


@dataclass
class Content:
    """The content at one path."""

    body: bytes
    media_type: str
    cache_control: str = "no-cache"

    @cached_property
    def _etag(self) -> bytes:
        return b'W/"%s"' % hashlib.sha256(self.body).hexdigest()[:24].encode()

    @cached_property
    def _compressed(self) -> bytes:
        return gzip.compress(self.body, mtime=0)

    def respond(self, request: Request) -> Page:
        """Return the response to a GET: 304 if the ETag matches, compressed if the client accepts gzip."""
        headers: Headers = [
            (b"content-type", self.media_type.encode()),
            (b"cache-control", self.cache_control.encode()),
            (b"etag", self._etag),
            (b"vary", b"Accept-Encoding"),
            (b"content-security-policy", _CSP),
        ]
        if names_etag(request.headers.get(b"if-none-match", b"").decode("latin-1"), self._etag.decode()):
            return Page(304, headers, b"")
        if len(self.body) >= _MIN_COMPRESSED_SIZE and b"gzip" in request.headers.get(b"accept-encoding", b""):
            return Page(200, [*headers, (b"content-encoding", b"gzip")], self._compressed)
        return Page(200, headers, self.body)


class Pages:
    """Finds the page of a path."""

    def __init__(self, settings: Settings, schema: MergedSchema) -> None:
        self._schema = schema
        self._openapi = Content(b"", "application/json")
        base_url = escape(settings.public_base_url)
        self._contents = {
            "/": Content(_read_page("index.html").replace(b"{{base_url}}", base_url.encode()), _HTML),
            "/api/docs/": Content(_read_page("docs.html"), _HTML),
            "/healthz": Content(b'{"status":"ok"}', "application/json", "no-store"),
            "/robots.txt": Content(b"User-agent: *\nDisallow: /api/\nDisallow: /media/\n", "text/plain"),
            "/static/docs.js": Content(_read_page("docs.js"), _JS),
            "/static/favicon.svg": Content(_read_page("favicon.svg"), "image/svg+xml"),
            "/static/style.css": Content(_read_page("style.css"), _CSS),
            "/static/swagger-ui-bundle.js": Content(_read_swagger_file("swagger-ui-bundle.js"), _JS),
            "/static/swagger-ui.css": Content(_read_swagger_file("swagger-ui.css"), _CSS),
        }

    async def find(self, request: Request) -> Page | None:
        """Return the response to a request for a page; None if the path is no page. Raises MethodNotAllowed."""
        is_schema = request.path == "/api/schema/"
        content = await self._openapi_content() if is_schema else self._contents.get(request.path)
        if content is None:
            return None
        if request.method == "OPTIONS":
            return Page(200, [(b"allow", _ALLOWED_METHODS.encode()), (b"content-type", b"application/json")], b"{}")
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(request.method, _ALLOWED_METHODS)
        return content.respond(request)

    async def _openapi_content(self) -> Content:
        document = await self._schema.document()
        if document is not self._openapi.body:
            self._openapi = Content(document, "application/json")
        return self._openapi


def _read_page(name: str) -> bytes:
    return (files(__name__) / name).read_bytes()


def _read_swagger_file(name: str) -> bytes:
    # Not imported: the package would load FastAPI, which the gateway does not use.
    return Path(str(distribution("fastapi-swagger").locate_file(f"fastapi_swagger/resources/{name}"))).read_bytes()
