"""What the actions act with."""

from dataclasses import dataclass, field

from cv_common.kernel.database import Database
from cv_common.kernel.media import Media

from cv_renderer.actions.flights import Flights
from cv_renderer.engine.pool import Pool
from cv_renderer.repository.locks import KeyLocks
from cv_renderer.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """What the actions act with."""

    settings: Settings
    database: Database
    media: Media
    pool: Pool
    locks: KeyLocks
    flights: Flights = field(default_factory=Flights)
