"""What the actions act with, and for whom."""

from dataclasses import dataclass

from cv_common.kernel.database import Database, Row
from cv_common.kernel.errors import NotFound
from cv_common.kernel.identity import Caller
from cv_common.kernel.media import Media

from cv_resumes.clients import ProfileSource, Renderer, Templates
from cv_resumes.domain.owners import Owner
from cv_resumes.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """What the actions act with."""

    settings: Settings
    database: Database
    templates: Templates
    renderer: Renderer
    media: Media
    profiles: ProfileSource


def owner_of(caller: Caller) -> Owner | None:
    """The owner a caller speaks for; None for a visitor who has not created anything yet."""
    if caller.user_id is not None:
        return Owner(user_id=caller.user_id)
    return Owner(session_id=caller.session_id) if caller.session_id else None


def known_owner(caller: Caller) -> Owner:
    """The owner a caller speaks for. Raises NotFound: who owns nothing finds nothing."""
    owner = owner_of(caller)
    if owner is None:
        raise NotFound
    return owner


def found(row: Row | None) -> Row:
    """The row, which must be there. Raises NotFound."""
    if row is None:
        raise NotFound
    return row
