"""Detect usernames that look alike, by the skeletons of UTS 39, "Confusable Detection"."""

import json
from importlib.resources import files
from unicodedata import normalize

_LEFT_TO_RIGHT_MARK = "\u200e"
"""Unicode's table puts it around letters of right-to-left scripts."""


def skeletons(username: str) -> list[str]:
    """Return the skeletons of a username as written, in lower case and in upper case, because usernames ignore case.

    Two usernames are confusable if they have a skeleton in common.
    """
    return sorted({_skeleton(_skeleton(form).lower()) for form in (username, username.lower(), username.upper())})


def _skeleton(text: str) -> str:
    return normalize("NFD", "".join(_PROTOTYPES.get(letter, letter) for letter in normalize("NFD", text)))


def _read_prototypes() -> dict[str, str]:
    """Return the prototype of each confusable letter.

    The package lists lookalikes in both directions. If two letters list only each other, the prototype is the smaller.
    """
    table = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_bytes())
    alike = {_strip_marks(letter): [_strip_marks(each["c"]) for each in others] for letter, others in table.items()}
    prototypes = {}
    for letter, others in alike.items():
        if len(letter) != 1 or len(others) != 1:
            continue
        (prototype,) = others
        is_mutual = alike.get(prototype) == [letter]
        if not is_mutual or prototype < letter:
            prototypes[letter] = prototype
    return prototypes


def _strip_marks(letters: str) -> str:
    return letters.replace(_LEFT_TO_RIGHT_MARK, "")


_PROTOTYPES = _read_prototypes()
