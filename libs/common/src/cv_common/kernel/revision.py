"""Revisions: how a publisher numbers the states of one thing."""

import time


def next_revision(current: int) -> int:
    """A number above `current`, and above any that a backup restored from before now can hold.

    Milliseconds of the clock, so that after a restore the new states still win over those already published.
    """
    return max(current + 1, time.time_ns() // 1_000_000)
