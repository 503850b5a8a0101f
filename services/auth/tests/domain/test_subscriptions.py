"""The subscription at a given time."""

from datetime import UTC, datetime, timedelta

from cv_auth.domain.subscriptions import NONE, Subscription, current_subscription
from hypothesis import given
from hypothesis import strategies as st

moments = st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(st.none() | st.sampled_from(["monthly", "yearly"]), st.none() | moments, st.none() | moments, moments)
def test_subscription_is_premium_before_entitled_until(
    kind: str | None, end: datetime | None, until: datetime | None, now: datetime
) -> None:
    entitled = until is not None and now < until
    assert current_subscription(kind, end, until, now) == (Subscription(True, kind, end) if entitled else NONE)


@given(moments)
def test_entitled_until_is_exclusive(until: datetime) -> None:
    assert current_subscription("monthly", until, until, until) == NONE
    just_before = until - timedelta(microseconds=1)
    assert current_subscription("monthly", until, until, just_before).is_premium
