"""The dependencies of the actions."""

from dataclasses import dataclass, field

from cv_common.kernel.database import Database
from cv_common.kernel.media import Media

from cv_renderer.actions.single_flight import SingleFlight
from cv_renderer.engine.worker_pool import WorkerPool
from cv_renderer.repository.locks import KeyLocks
from cv_renderer.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that an action needs beside its arguments."""

    settings: Settings
    database: Database
    media: Media
    pool: WorkerPool
    locks: KeyLocks
    renders: SingleFlight = field(default_factory=SingleFlight)
