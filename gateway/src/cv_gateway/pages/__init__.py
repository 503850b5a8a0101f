"""The gateway's own pages: what this is, its documentation, its description for machines, and whether it lives."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib.resources import files
from importlib.util import find_spec
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
_ALLOWED = "GET, HEAD, OPTIONS"
_WORTH_PACKING = 1024


@dataclass(frozen=True)
class Page:
    """An answer of the gateway's own, ready to be sent."""

    status: int
    headers: Headers
    body: bytes


@dataclass
class Content:
    """What stands under one path."""

    body: bytes
    media_type: str
    cache: str = "no-cache"

    @cached_property
    def _etag(self) -> bytes:
        return b'W/"%s"' % hashlib.sha256(self.body).hexdigest()[:24].encode()

    @cached_property
    def _packed(self) -> bytes:
        return gzip.compress(self.body, mtime=0)

    def page(self, request: Request) -> Page:
        """The answer to a GET: nothing if the client has it already, packed if the client can unpack."""
        headers: Headers = [
            (b"content-type", self.media_type.encode()),
            (b"cache-control", self.cache.encode()),
            (b"etag", self._etag),
            (b"vary", b"Accept-Encoding"),
            (b"content-security-policy", _CSP),
        ]
        if names_etag(request.headers.get(b"if-none-match", b"").decode("latin-1"), self._etag.decode()):
            return Page(304, headers, b"")
        if len(self.body) >= _WORTH_PACKING and b"gzip" in request.headers.get(b"accept-encoding", b""):
            return Page(200, [*headers, (b"content-encoding", b"gzip")], self._packed)
        return Page(200, headers, self.body)


class Pages:
    """The gateway's own pages by path."""

    def __init__(self, settings: Settings, schema: MergedSchema) -> None:
        self._schema = schema
        self._described = Content(b"", "application/json")
        base_url = escape(settings.public_base_url)
        ours, swagger = _our_file, _swagger_file
        self._contents = {
            "/": Content(ours("index.html").replace(b"{{base_url}}", base_url.encode()), _HTML),
            "/api/docs/": Content(ours("docs.html"), _HTML),
            "/healthz": Content(b'{"status":"ok"}', "application/json", "no-store"),
            "/robots.txt": Content(b"User-agent: *\nDisallow: /api/\nDisallow: /media/\n", "text/plain"),
            "/static/docs.js": Content(ours("docs.js"), _JS),
            "/static/favicon.svg": Content(ours("favicon.svg"), "image/svg+xml"),
            "/static/style.css": Content(ours("style.css"), _CSS),
            "/static/swagger-ui-bundle.js": Content(swagger("swagger-ui-bundle.js"), _JS),
            "/static/swagger-ui.css": Content(swagger("swagger-ui.css"), _CSS),
        }

    async def find(self, request: Request) -> Page | None:
        """The page a request asks for, None if the path is none of ours. Raises MethodNotAllowed."""
        schema = request.path == "/api/schema/"
        content = await self._description() if schema else self._contents.get(request.path)
        if content is None:
            return None
        if request.method == "OPTIONS":
            return Page(200, [(b"allow", _ALLOWED.encode()), (b"content-type", b"application/json")], b"{}")
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(request.method, _ALLOWED)
        return content.page(request)

    async def _description(self) -> Content:
        document = await self._schema.document()
        if document is not self._described.body:
            self._described = Content(document, "application/json")
        return self._described


def _our_file(name: str) -> bytes:
    return (files(__name__) / name).read_bytes()


def _swagger_file(name: str) -> bytes:
    # Found, not imported: importing the package would load FastAPI into a process that has no use for it.
    spec = find_spec("fastapi_swagger")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package fastapi-swagger, which brings Swagger UI's files")
    return (Path(spec.origin).parent / "resources" / name).read_bytes()
