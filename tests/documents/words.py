"""Words of texts: those that a CV must print, and those that a reader of its PDF finds.

A word is a run of letters, digits and their marks, in lower case and in compatibility form. Scripts that write words
without spaces, or break lines within words, count as pairs of neighboring characters instead.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

_UNSPACED_LETTER = (
    "["
    "\u0e00-\u0e7f"  # Thai
    "\u1100-\u11ff\uac00-\ud7af"  # Hangul, whose lines break at any syllable
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana and iteration marks
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "]"
)
_UNSPACED = re.compile(f"{_UNSPACED_LETTER}+")
_BETWEEN_UNSPACED = re.compile(rf"(?<={_UNSPACED_LETTER})\s+(?={_UNSPACED_LETTER})")
_BREAKABLE, _LONG = 6, 20
"""Letters of words that a line may break, and of words that may fill several lines."""
_HYPHENATED = re.compile(r"(?=\b(\w+)-(\w+))")
_NOT_WORDS = re.compile(r"[^\w\s]|_")
_ARROWS = "\u2190"
_MARKS = frozenset(map(chr, range(0x300, 0x370)))
"""The first character of the blocks of symbols, and the combining marks."""
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks of direction, which poppler puts around parts of lines instead of spaces."""
_LINK = re.compile(r"\[([^\]]+)\]\(https?:[^)\s]+\)")
_WORD_BULLET = re.compile(r"^o\t", re.MULTILINE)
_SCHEME = re.compile(r"^https?://(www\.)?", re.IGNORECASE)
_ISO_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_PROSE = {"summary", "description", "content"}
_ADDRESSES = {"website", "linkedin_url", "github_url", "url"}
_ORDER = {
    "header": ("full_name", "title", "email", "phone", "address", "website", "linkedin_url", "github_url", "summary"),
    "experience_data": ("position", "company", "location", "description"),
    "education_data": ("degree", "field_of_study", "institution", "location", "grade", "description"),
    "skills_data": ("name",),
    "languages_data": ("language", "level"),
    "certifications_data": ("name", "issuer", "date", "license_number", "end_date"),
    "projects_data": ("name", "url", "start_date", "end_date", "roles", "keywords", "description"),
    "custom_sections": ("title", "content"),
}
"""The fields that are printed, by section. Dates of jobs and levels of skills are printed in words that vary."""


def words(text: str) -> list[str]:
    """The words of a text, in its order."""
    folded = _DIRECTION.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(
        character if unicodedata.category(character)[0] in "LNM" else " "
        for character in _BETWEEN_UNSPACED.sub("", folded)
        if not _is_invisible(character)
    )
    return [unit for run in plain.split() for unit in _units(run)]


def _units(run: str) -> Iterator[str]:
    """The words of a run of letters: itself, or pairs of characters where it is unspaced."""
    position = 0
    for match in _UNSPACED.finditer(run):
        yield from filter(None, [run[position : match.start()]])
        unspaced = match[0]
        yield from map("".join, pairwise(unspaced)) if len(unspaced) > 1 else unspaced
        position = match.end()
    yield from filter(None, [run[position:]])


def printed_lines(resume: dict[str, Any]) -> Iterator[str]:
    """The texts of a resume that must be printed, line by line."""
    for section, fields in _ORDER.items():
        for entry in [resume] if section == "header" else resume.get(section, []):
            if section == "custom_sections" and not (entry.get("content") or "").strip():
                continue
            for name in fields:
                # The title of an imported section is printed in the CV's language.
                if entry.get(name) and not (name == "title" and "kind" in entry):
                    yield from _lines(name, entry[name])
    yield from dict.fromkeys(filter(None, (skill.get("category") for skill in resume.get("skills_data", []))))


def _lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _lines(name, item)
    elif name in _ADDRESSES:
        yield _SCHEME.sub("", value)
    elif name in _PROSE:
        yield from _WORD_BULLET.sub("", _LINK.sub(r"\1", value)).splitlines()
    else:
        yield value[:4] if _ISO_DATE.fullmatch(value) else value


@dataclass(frozen=True)
class ExtractedText:
    """The text that a reader extracts from a PDF, page by page."""

    pages: list[str]

    @cached_property
    def whole(self) -> str:
        return "\n".join(self.pages)

    @cached_property
    def words(self) -> list[str]:
        return words(self.whole)

    @cached_property
    def one_line(self) -> str:
        """The text in one line with single spaces, in compatibility form."""
        return " ".join(unicodedata.normalize("NFKC", self.whole).split())

    @cached_property
    def letters(self) -> str:
        """All words without spaces."""
        return letters(self.whole)

    def has(self, text: str) -> bool:
        """Whether a text is here: its words, and exactly as written if it has other characters than words."""
        visible = "".join(each for each in text if not _is_invisible(each))
        if _NOT_WORDS.search(visible):
            return unicodedata.normalize("NFKC", visible) in self.one_line
        return f" {' '.join(words(text))} " in f" {' '.join(self.words)} "

    def missing(self, lines: Iterable[str]) -> list[str]:
        """The words of the lines that are not found, as often as they lack."""
        all_lines = list(lines)
        wanted = Counter(word for line in all_lines for word in words(line))
        lacking = wanted - Counter(self.words) - self._joined(all_lines)
        return [word for word, count in lacking.items() for _ in range(count) if not self._is_broken(word)]

    def torn(self, lines: Iterable[str]) -> list[str]:
        """The pairs of neighboring words of a line that are not neighbors here."""
        known, neighbors = set(self.words), set(pairwise(self.words))
        return [
            f"{first} {second}"
            for line in lines
            for first, second in pairwise(words(line))
            if first in known and second in known and (first, second) not in neighbors
        ]

    def invented(self, lines: Iterable[str]) -> list[str]:
        """The words that no line has, without numbers and parts of broken words."""
        source = letters(" ".join(lines))
        found = {word for word in self.words if word not in source and not word.isdigit()}
        return sorted(word for word in found if not _UNSPACED.search(word))

    def _joined(self, lines: Iterable[str]) -> Counter[str]:
        """The halves of words with a hyphen that are here without it: poppler removes hyphens at the ends of lines."""
        pairs = (match.groups() for line in lines for match in _HYPHENATED.finditer(line))
        known = set(self.words)
        return Counter(word for pair in pairs if letters("".join(pair)) in known for word in words(" ".join(pair)))

    def _is_broken(self, word: str) -> bool:
        """Whether a word is here in parts, because it is longer than a line or than the rest of a line."""
        return word in self.letters if len(word) >= _LONG else len(word) >= _BREAKABLE and word in self._line_ends

    @cached_property
    def _line_ends(self) -> str:
        """The last word of each line, joined with the first one of the next line."""
        lines = [words(line) for line in self.whole.splitlines()]
        filled = [line for line in lines if line]
        return " ".join(first[-1] + second[0] for first, second in pairwise(filled))


def letters(text: str) -> str:
    """All words of a text without spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(each for each in plain if unicodedata.category(each)[0] in "LNM" and not _is_invisible(each))


def is_arabic(word: str) -> bool:
    """Whether a word has letters of the Arabic script."""
    return any("ARABIC LETTER" in unicodedata.name(each, "") for each in word)


def is_latin(text: str) -> bool:
    """Whether a text has only Latin letters, digits and punctuation: no marks, arrows, dingbats or emoji."""
    return all(
        unicodedata.name(each, "").startswith("LATIN") if each.isalpha() else each < _ARROWS and each not in _MARKS
        for each in text
    )


def _is_invisible(character: str) -> bool:
    """Whether a character is a joiner, a direction mark, or a selector of emoji forms."""
    return unicodedata.category(character) in ("Cf", "Me") or "\ufe00" <= character <= "\ufe0f"
