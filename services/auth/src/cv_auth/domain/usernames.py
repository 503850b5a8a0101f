"""Which usernames look alike: skeletons as in Unicode's UTS 39, "Confusable Detection"."""

import json
from importlib.resources import files
from unicodedata import normalize

_LEFT_TO_RIGHT_MARK = "\u200e"
"""Unicode's table writes it around letters that are written from right to left."""


def skeletons(username: str) -> list[str]:
    """What a username looks like as it is, in small letters and in capitals: case does not tell usernames apart.

    Two usernames with one in common can be taken for each other.
    """
    return sorted({_skeleton(_skeleton(written).lower()) for written in (username, username.lower(), username.upper())})


def _skeleton(text: str) -> str:
    return normalize("NFD", "".join(_PROTOTYPES.get(letter, letter) for letter in normalize("NFD", text)))


def _read_prototypes() -> dict[str, str]:
    """Each letter that can be taken for another one, with what stands for all of its kind.

    The package lists what looks alike in both directions; of several lookalikes, the common one is the prototype.
    """
    listed = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_bytes())
    alike = {_bare(letter): [_bare(other["c"]) for other in others] for letter, others in listed.items()}
    prototypes = {}
    for letter, others in alike.items():
        if len(letter) != 1 or len(others) != 1:
            continue
        (prototype,) = others
        is_mutual = alike.get(prototype) == [letter]
        if not is_mutual or prototype < letter:
            prototypes[letter] = prototype
    return prototypes


def _bare(letters: str) -> str:
    return letters.replace(_LEFT_TO_RIGHT_MARK, "")


_PROTOTYPES = _read_prototypes()
