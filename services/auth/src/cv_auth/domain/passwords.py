"""Password rules: Django's four validators, with Django's texts, thresholds and list of common passwords."""

import gzip
import re
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files

from cv_auth.domain.accounts import Person

MIN_LENGTH = 8
MAX_LENGTH = 128
MAX_SIMILARITY = 0.7


def password_problems(password: str, person: Person) -> list[str]:
    """Return the rules that `password` breaks for `person`, as sentences."""
    problems = []
    attributes = {
        "username": person.username,
        "first name": person.first_name,
        "last name": person.last_name,
        "email address": person.email,
    }
    for name, value in attributes.items():
        if _is_similar(password.lower(), value.lower()):
            problems.append(f"The password is too similar to the {name}.")
            break
    if len(password) < MIN_LENGTH:
        problems.append(f"This password is too short. It must contain at least {MIN_LENGTH} characters.")
    if password.lower().strip() in common_passwords():
        problems.append("This password is too common.")
    if password.isdigit():
        problems.append("This password is entirely numeric.")
    return problems


def _is_similar(password: str, value: str) -> bool:
    """Return whether the password resembles the value or one of its words."""
    return value != "" and any(
        not _is_much_longer(password, part) and SequenceMatcher(a=password, b=part).quick_ratio() >= MAX_SIMILARITY
        for part in [*re.split(r"\W+", value), value]
    )


def _is_much_longer(password: str, part: str) -> bool:
    """Return whether the password is too long to be similar, which saves the costly comparison."""
    return len(password) >= 10 * len(part) and len(part) < MAX_SIMILARITY / 2 * len(password)


@cache
def common_passwords() -> frozenset[str]:
    """Return the 20,000 most common passwords, in lower case."""
    packed = files(__package__).joinpath("common-passwords.txt.gz").read_bytes()
    return frozenset(line.strip() for line in gzip.decompress(packed).decode().splitlines())
