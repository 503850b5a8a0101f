"""Render HTML pages from templates. They load no external resources."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from cv_stripe_sandbox import formatting

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
_templates.filters.update(money=formatting.format_money, day=formatting.format_day, minute=formatting.format_minute)


def render_page(template: str, http_status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template with these values."""
    html = _templates.get_template(template).render(**values)
    return HTMLResponse(html, http_status, dict(_HEADERS))
