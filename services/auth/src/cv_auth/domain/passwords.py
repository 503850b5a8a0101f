"""Which passwords are taken: Django's four rules, with Django's texts, thresholds and list of common passwords."""

import gzip
import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files

MIN_LENGTH = 8
MAX_LENGTH = 128
MAX_SIMILARITY = 0.7

_ATTRIBUTES = {
    "username": "username",
    "first_name": "first name",
    "last_name": "last name",
    "email": "email address",
}
"""What a password must not look like, and what Django calls it."""


def password_problems(password: str, person: Mapping[str, str | None]) -> list[str]:
    """Why `password` is not good enough for `person` (their username, names and email); empty when it is."""
    return list(_problems(password, person))


def _problems(password: str, person: Mapping[str, str | None]) -> Iterator[str]:
    for attribute, name in _ATTRIBUTES.items():
        if _is_similar(password.lower(), (person.get(attribute) or "").lower()):
            yield f"The password is too similar to the {name}."
            break
    if len(password) < MIN_LENGTH:
        yield f"This password is too short. It must contain at least {MIN_LENGTH} characters."
    if password.lower().strip() in common_passwords():
        yield "This password is too common."
    if password.isdigit():
        yield "This password is entirely numeric."


def _is_similar(password: str, value: str) -> bool:
    """Does the password resemble the value, or one of the words in it?"""
    if not value:
        return False
    return any(
        not _is_much_longer(password, part) and SequenceMatcher(a=password, b=part).quick_ratio() >= MAX_SIMILARITY
        for part in [*re.split(r"\W+", value), value]
    )


def _is_much_longer(password: str, part: str) -> bool:
    """Is the password so much longer that the two cannot be similar? Spares the costly comparison."""
    return len(password) >= 10 * len(part) and len(part) < MAX_SIMILARITY / 2 * len(password)


@cache
def common_passwords() -> frozenset[str]:
    """The 20,000 most common passwords, in lower case."""
    packed = files(__package__).joinpath("common-passwords.txt.gz").read_bytes()
    return frozenset(line.strip() for line in gzip.decompress(packed).decode().splitlines())
