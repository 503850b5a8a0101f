"""The context of all actions, and the owner that a caller stands for."""

from dataclasses import dataclass

from cv_common.kernel.database import Database
from cv_common.kernel.errors import or_404
from cv_common.kernel.identity import Caller
from cv_common.kernel.media import Media

from cv_resumes.clients import ProfileSource, Renderer, Templates
from cv_resumes.domain.owners import Owner
from cv_resumes.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The settings, the database and the clients of the service."""

    settings: Settings
    database: Database
    templates: Templates
    renderer: Renderer
    media: Media
    profiles: ProfileSource


def owner_of(caller: Caller) -> Owner | None:
    """Return the caller as an owner. None for a visitor without a session."""
    if caller.user_id is not None:
        return Owner(user_id=caller.user_id)
    return Owner(session_id=caller.session_id) if caller.session_id else None


def owner_or_404(caller: Caller) -> Owner:
    """Return the caller as an owner. Raises NotFound for a visitor without a session, who owns no resume."""
    return or_404(owner_of(caller))
