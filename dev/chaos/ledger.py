"""The acknowledged writes and payments of all visitors.

A write without a response is unknown: it may have taken effect or not, but not partly and not twice.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["single", "monthly", "yearly"]
Deleted = Literal["no", "perhaps", "yes"]
LOST, DUPLICATED, DISAGREES, BAD_RESPONSE = "lost", "duplicated", "disagreements", "bad responses"


@dataclass
class Resume:
    """An acknowledged resume. Each write puts one number, its mark, into several fields."""

    id: int
    name: str
    template: int
    etag: str
    mark: int = 0
    """The mark of the last acknowledged write."""
    unknown: dict[int, str] = field(default_factory=dict)
    """The marks of later writes without a response, with the ETag that each was sent for."""
    next_mark: int = 1
    has_photo: bool | None = False
    """None if an upload got no response."""
    deleted: Deleted = "no"

    def observe(self, mark: int, etag: str) -> bool:
        """Update the resume from a response. Returns False for a mark that is no acknowledged or later one."""
        if mark != self.mark and mark not in self.unknown:
            return False
        self.mark, self.etag = mark, etag
        # A late write for another ETag will be refused.
        self.unknown = {each: sent_for for each, sent_for in self.unknown.items() if sent_for == etag and each != mark}
        return True


@dataclass
class Checkout:
    """A payment page. Only the provider knows whether it was paid."""

    session_id: str
    kind: Kind
    resume: Resume | None
    seconds_to_effect: float | None = None


@dataclass
class Owner:
    """One visitor, with or without an account, and the visitor's data."""

    name: str
    email: str | None = None
    """The email address of the account that the visitor tried to create."""
    has_account: bool = False
    """Whether the account was acknowledged. One without a response may exist or not."""
    resumes: list[Resume] = field(default_factory=list)
    unknown_creations: set[str] = field(default_factory=set)
    """The names of resumes whose creation got no response."""
    checkouts: list[Checkout] = field(default_factory=list)


class Ledger:
    """The counters and problems of one run."""

    def __init__(self) -> None:
        self.owners: list[Owner] = []
        self.statuses: Counter[str] = Counter()
        self.acknowledged = 0
        self.unknown = 0
        self.slowest = (0.0, "")
        self.faults: Counter[str] = Counter()
        self.recoveries: dict[str, float] = {}
        self.found: dict[str, list[str]] = {kind: [] for kind in (LOST, DUPLICATED, DISAGREES, BAD_RESPONSE)}

    def record(self, kind: str, what: str) -> None:
        """Record a problem."""
        self.found[kind].append(what)

    def count_response(self, status: str, seconds: float, request: str) -> None:
        """Count a response or its absence."""
        self.statuses[status] += 1
        self.slowest = max(self.slowest, (seconds, request))

    def record_recovery(self, fault: str, seconds: float) -> None:
        """Keep the longest recovery from each fault."""
        self.recoveries[fault] = max(self.recoveries.get(fault, 0.0), seconds)
