"""HTML pages from templates; none of them loads anything from elsewhere."""

from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def money(amount: int, currency: str) -> str:
    """`499, "eur"` as `€4.99`."""
    signs = {"eur": "€", "usd": "$", "gbp": "£"}
    text = f"{abs(amount) / 100:,.2f}"
    sign = signs.get(currency)
    return ("-" if amount < 0 else "") + (f"{sign}{text}" if sign else f"{text} {currency.upper()}")


def day(moment: int | None) -> str:
    """A Unix time as `22 Nov 2026`."""
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%-d %b %Y")


def minute(moment: int | None) -> str:
    """A Unix time as `22 Nov 2026, 14:51 UTC`."""
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%-d %b %Y, %H:%M UTC")


_templates = Environment(
    loader=PackageLoader("cv_stripe_sandbox", "pages/templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(money=money, day=day, minute=minute)


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A finished page."""
    html = _templates.get_template(template).render(**values)
    return HTMLResponse(html, status, dict(_HEADERS))
