"""What was promised: every write and every payment, as far as its answer came.

A write whose answer was lost is unknown: it may have taken effect or not, but not half of it, and not twice.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["single", "monthly", "yearly"]
Deleted = Literal["no", "perhaps", "yes"]
LOST, DOUBLED, DISAGREES, MISBEHAVED = "lost", "doubled", "disagreements", "bad answers"


@dataclass
class Resume:
    """A resume that was acknowledged. Each of its writes puts one number, its mark, into several fields."""

    id: int
    name: str
    template: int
    etag: str
    mark: int = 0
    """That of the last acknowledged write."""
    unknown: dict[int, str] = field(default_factory=dict)
    """Marks of later writes whose answers were lost, and the ETag for which each was sent."""
    next_mark: int = 1
    has_photo: bool | None = False
    """None: a write of it was lost."""
    deleted: Deleted = "no"

    def saw(self, mark: int, etag: str) -> bool:
        """Note what the resume shows now; False when that is neither the last acknowledged write nor a later one."""
        if mark != self.mark and mark not in self.unknown:
            return False
        self.mark, self.etag = mark, etag
        # A write for another ETag will be refused, however late it arrives.
        self.unknown = {each: sent_for for each, sent_for in self.unknown.items() if sent_for == etag and each != mark}
        return True


@dataclass
class Checkout:
    """A page at which somebody may have paid; the provider knows whether."""

    session_id: str
    kind: Kind
    resume: Resume | None
    seconds_to_effect: float | None = None


@dataclass
class Owner:
    """One visitor, with or without an account, and what is theirs."""

    name: str
    email: str | None = None
    """Of the account that the visitor has asked for."""
    has_account: bool = False
    """Whether the account was acknowledged; one whose answer was lost may exist or not."""
    resumes: list[Resume] = field(default_factory=list)
    unknown_creations: set[str] = field(default_factory=set)
    """Names of resumes of which nobody knows whether they were created."""
    checkouts: list[Checkout] = field(default_factory=list)


class Ledger:
    """Everything that was counted and noted in one run."""

    def __init__(self) -> None:
        self.owners: list[Owner] = []
        self.statuses: Counter[str] = Counter()
        self.acknowledged = 0
        self.unknown = 0
        self.slowest = (0.0, "")
        self.faults: Counter[str] = Counter()
        self.recoveries: dict[str, float] = {}
        self.found: dict[str, list[str]] = {kind: [] for kind in (LOST, DOUBLED, DISAGREES, MISBEHAVED)}

    def note(self, kind: str, what: str) -> None:
        """Write down that something is not as it must be."""
        self.found[kind].append(what)

    def answered(self, status: str, seconds: float, request: str) -> None:
        """Count an answer, or that there was none."""
        self.statuses[status] += 1
        self.slowest = max(self.slowest, (seconds, request))

    def recovered(self, fault: str, seconds: float) -> None:
        """Remember the longest time after which everything worked again."""
        self.recoveries[fault] = max(self.recoveries.get(fault, 0.0), seconds)
