"""The subscription that a profile shows at a given time."""

from datetime import UTC, datetime, timedelta

from cv_auth.domain.accounts import Account
from cv_auth.schemas import serialize_profile
from hypothesis import given
from hypothesis import strategies as st

moments = st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def subscription(kind: str | None, end: datetime | None, until: datetime | None, now: datetime) -> list[object]:
    """The three fields of the profile at `now`."""
    account = Account("jo", "jo@example.com", "", "", None, 1, now, kind, end, until)
    profile = serialize_profile(account, now)
    return [profile[name] for name in ("is_premium", "subscription_type", "subscription_end_date")]


@given(st.none() | st.sampled_from(["monthly", "yearly"]), st.none() | moments, st.none() | moments, moments)
def test_subscription_is_premium_before_entitled_until(
    kind: str | None, end: datetime | None, until: datetime | None, now: datetime
) -> None:
    entitled = until is not None and now < until
    assert subscription(kind, end, until, now) == ([True, kind, end] if entitled else [False, None, None])


@given(moments)
def test_entitled_until_is_exclusive(until: datetime) -> None:
    assert subscription("monthly", until, until, until) == [False, None, None]
    assert subscription("monthly", until, until, until - timedelta(microseconds=1))[0] is True
