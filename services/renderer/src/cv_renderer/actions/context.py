"""What the actions act with."""

from dataclasses import dataclass, field

from cv_common.db import Database
from cv_common.media import Media

from cv_renderer.actions.flights import Flights
from cv_renderer.engine.pool import Pool
from cv_renderer.settings import Settings
from cv_renderer.store.locks import KeyLocks


@dataclass(frozen=True, slots=True)
class Context:
    """What the actions act with."""

    settings: Settings
    database: Database
    media: Media
    pool: Pool
    locks: KeyLocks
    flights: Flights = field(default_factory=Flights)
