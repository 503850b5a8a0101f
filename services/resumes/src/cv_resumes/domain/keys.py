"""Keys that clients give to requests which are to take effect once."""

MAX_LENGTH = 255
_UNGUESSABLE_LENGTH = 22
"""Characters that 128 random bits take in Base64; a UUID has more."""
_UNGUESSABLE_VARIETY = 8
"""Different characters that 128 random bits have at least, all but certainly, even in hexadecimal."""


def is_unguessable(key: str) -> bool:
    """Does a key look like 128 random bits or more, so that whoever has it is whoever made it?"""
    return len(key) >= _UNGUESSABLE_LENGTH and len(set(key)) >= _UNGUESSABLE_VARIETY
