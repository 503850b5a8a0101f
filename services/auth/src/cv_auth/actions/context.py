"""What every action gets: settings, connections and keys."""

from dataclasses import dataclass

from cv_common.kernel.database import Database

from cv_auth.actions.hashing import PasswordHasher
from cv_auth.clients import SessionClaimClient
from cv_auth.domain.tokens import TokenKeys
from cv_auth.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The settings, connections and keys that actions use."""

    settings: Settings
    database: Database
    hasher: PasswordHasher
    token_keys: TokenKeys
    session_claims: SessionClaimClient
