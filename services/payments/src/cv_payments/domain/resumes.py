"""What payments stores about resumes."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ResumePaymentState:
    """Whether a resume is paid, as last published, and the revision of that event."""

    id: int
    paid: bool
    revision: int
    deleted_at: datetime | None
