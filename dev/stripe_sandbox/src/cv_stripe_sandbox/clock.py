"""Time: billing periods, and shifting objects so that their future is now.

The stand-in's clock is the machine's. To see a renewal today, the customer's objects are moved into the
past: every other service keeps its own clock and still agrees with the dates it reads here.
"""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

MOMENTS = frozenset(
    {
        "automatically_finalizes_at", "billing_cycle_anchor", "cancel_at", "canceled_at", "created",
        "current_period_end", "current_period_start", "due_by", "due_date", "effective_at", "end",
        "ended_at", "expires_at", "finalized_at", "marked_uncollectible_at", "next_payment_attempt",
        "paid_at", "period_end", "period_start", "resumes_at", "start", "start_date", "transitioned_at",
        "trial_end", "trial_start", "voided_at", "webhooks_delivered_at",
    }
)  # fmt: skip
"""Every key of Stripe's objects that holds a Unix time."""


def after_interval(moment: int, interval: str, count: int = 1, *, anchor: int | None = None) -> int:
    """The Unix time `count` intervals (day, week, month, year) after `moment`.

    Months end early where they must (31 January, 28 February) and return to the day of `anchor` after.
    """
    start = datetime.fromtimestamp(moment, UTC)
    if interval in {"day", "week"}:
        days = count * (7 if interval == "week" else 1)
        return int((start + timedelta(days=days)).timestamp())
    months = count * (12 if interval == "year" else 1)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    wanted_day = datetime.fromtimestamp(moment if anchor is None else anchor, UTC).day
    day = min(wanted_day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def shifted(value: Any, seconds: int) -> Any:
    """The same JSON with every moment in it moved by `seconds` (negative: into the past)."""
    if isinstance(value, list):
        return [shifted(entry, seconds) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: entry + seconds if key in MOMENTS and isinstance(entry, int) else shifted(entry, seconds)
        for key, entry in value.items()
    }
