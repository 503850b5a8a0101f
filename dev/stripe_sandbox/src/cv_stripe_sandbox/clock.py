"""Billing periods, and time travel.

The sandbox uses the clock of the machine. To make a renewal due now, it moves the times of the customer's objects into
the past. So the dates it answers agree with the clocks of the other services.
"""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

TIME_KEYS = frozenset(
    {
        "automatically_finalizes_at", "billing_cycle_anchor", "cancel_at", "canceled_at", "created",
        "current_period_end", "current_period_start", "due_by", "due_date", "effective_at", "end",
        "ended_at", "expires_at", "finalized_at", "marked_uncollectible_at", "next_payment_attempt",
        "paid_at", "period_end", "period_start", "resumes_at", "start", "start_date", "transitioned_at",
        "trial_end", "trial_start", "voided_at", "webhooks_delivered_at",
    }
)  # fmt: skip
"""The keys of Stripe's objects whose values are Unix times."""


def add_interval(moment: int, interval: str, count: int = 1, *, anchor: int | None = None) -> int:
    """Return the Unix time `count` intervals (day, week, month, year) after `moment`.

    A day that a month lacks becomes its last day (31 January, 28 February); later months return to the day of `anchor`.
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


def shift_times(value: Any, seconds: int) -> Any:
    """Return the JSON value with all its times moved by `seconds` (negative: into the past)."""
    if isinstance(value, list):
        return [shift_times(entry, seconds) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: entry + seconds if key in TIME_KEYS and isinstance(entry, int) else shift_times(entry, seconds)
        for key, entry in value.items()
    }
