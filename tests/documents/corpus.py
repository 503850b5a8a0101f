"""The CVs of the corpus, the templates, and their pairs."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cv_testing.workspace import ROOT

FOLDER = Path(__file__).parent
CORPUS = FOLDER / "corpus"
_CATALOG = ROOT / "services/templates/catalog"


@dataclass(frozen=True)
class Expectation:
    """What a PDF of a CV must and must not have, besides all words of the CV."""

    language: str
    """The BCP 47 tag of the document."""
    direction: str = "ltr"
    pages: tuple[int, int] | None = None
    """The least and the most pages, in every template."""
    shows: list[str] = field(default_factory=list)
    hides: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    characters: list[str] = field(default_factory=list)
    may_replace: bool = False
    """True if the source has characters that exist in no font."""
    compare_words: bool = True
    """False if the source has markup, which is not printed."""


@dataclass(frozen=True, eq=False)
class Resume:
    """One CV of the corpus."""

    slug: str
    about: str
    body: dict[str, Any]
    """The body of `POST /api/resumes/`, without a template."""
    expect: Expectation
    photo: str | None
    """The name of a drawing in `drawings.py`."""


@dataclass(frozen=True)
class Case:
    """A CV in a template."""

    resume: Resume
    template: str
    """The template's folder in the catalog."""

    def __str__(self) -> str:
        return f"{self.resume.slug}-{self.template.partition('_')[0]}"


def load_resumes() -> list[Resume]:
    """Read all CVs, in the order of their file names."""
    return [_read(path) for path in sorted(CORPUS.glob("*.json"))]


def template_names() -> dict[str, str]:
    """The name of each template by its folder, read from the catalog. Tests take the ids from the API."""
    return {path.parent.name: _name(path) for path in sorted(_CATALOG.glob("*/template.toml"))}


def all_cases() -> list[Case]:
    """All CVs in all templates."""
    return [Case(resume, template) for resume in load_resumes() for template in template_names()]


def rotating_cases() -> list[Case]:
    """Each CV in one template: the first in the first one, the second in the second one, and so on."""
    templates = list(template_names())
    cases = all_cases()
    return [cases[number * len(templates) + number % len(templates)] for number in range(len(cases) // len(templates))]


def _name(path: Path) -> str:
    return str(tomllib.loads(path.read_text())["name"])


def _read(path: Path) -> Resume:
    content: Mapping[str, Any] = json.loads(path.read_text())
    expectation = Expectation(**content["expect"])
    return Resume(path.stem, content["about"], content["resume"], expectation, content.get("photo"))
