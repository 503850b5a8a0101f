"""Stored skeletons are compared with new ones, so both must be computed from the same table."""

import json
from hashlib import sha256

from cv_auth.domain.usernames import _PROTOTYPES

_DIGEST = "fad105d6ee8e0e37a9440332c89595d71a01fdde3758445ca71cb5fa275900d0"
"""SHA-256 of the prototypes. If a new release of the package changes them, add a migration that sets
`users.skeletons_of` to null and computes the skeletons as migration 0004 does. Then change the digest."""


def test_prototypes_match_the_stored_skeletons() -> None:
    prototypes = json.dumps(_PROTOTYPES, sort_keys=True)
    assert sha256(prototypes.encode()).hexdigest() == _DIGEST
