"""Revisions."""

import time

from cv_common.kernel.revision import next_revision
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(min_value=0, max_value=2**62))
def test_a_revision_is_above_the_last_and_above_any_that_came_before_now(current: int) -> None:
    before = time.time_ns() // 1_000_000
    revision = next_revision(current)
    assert revision > current
    assert revision >= before


def test_revisions_of_one_moment_differ() -> None:
    revisions = [0]
    for _ in range(1000):
        revisions.append(next_revision(revisions[-1]))
    assert len(set(revisions)) == 1001
    assert revisions == sorted(revisions)
