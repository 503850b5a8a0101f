"""HTML pages from templates; none of them loads anything from elsewhere."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from cv_stripe_sandbox import wording

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


_templates = Environment(
    loader=PackageLoader("cv_stripe_sandbox", "pages/templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(money=wording.money, day=wording.day, minute=wording.minute)


def page(template: str, http_status: int = 200, **values: Any) -> HTMLResponse:
    """A finished page; the values are the template's."""
    html = _templates.get_template(template).render(**values)
    return HTMLResponse(html, http_status, dict(_HEADERS))
