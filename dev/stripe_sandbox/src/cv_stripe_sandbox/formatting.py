"""Amounts and dates for display."""

from datetime import UTC, datetime

_SIGNS = {"eur": "€", "usd": "$", "gbp": "£"}


def format_money(amount: int, currency: str) -> str:
    """Return an amount in the currency's smallest unit: `499, "eur"` is `€4.99`."""
    text = f"{abs(amount) / 100:,.2f}"
    sign = _SIGNS.get(currency)
    return ("-" if amount < 0 else "") + (f"{sign}{text}" if sign else f"{text} {currency.upper()}")


def format_day(moment: int) -> str:
    """Return a Unix time as `22 Nov 2026`."""
    when = datetime.fromtimestamp(moment, UTC)
    return f"{when.day} {when:%b %Y}"


def format_minute(moment: int) -> str:
    """Return a Unix time as `22 Nov 2026, 14:51 UTC`."""
    return f"{format_day(moment)}, {datetime.fromtimestamp(moment, UTC):%H:%M} UTC"
