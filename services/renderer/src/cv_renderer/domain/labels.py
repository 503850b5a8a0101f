"""The words that templates and the renderer add to a document, in each language."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, TypeAdapter


@dataclass(frozen=True, slots=True)
class Labels:
    """The words of one language. The default values are those of most languages."""

    summary: str
    experience: str
    education: str
    skills: str
    languages: str
    certifications: str
    projects: str
    present: str
    """The end of a period that lasts."""
    levels: dict[str, str]
    """The levels of a skill (contract, annex A), as they are written within a sentence."""
    kinds: dict[str, str]
    """The titles of custom sections that have a kind and no title."""
    period: str = "{start} – {end}"
    since: str | None = None
    """A period that began in a year and lasts; `period` if the language has no phrase for it."""
    comma: str = ", "
    colon: str = ":"
    document_title: str = "{name} – CV"
    watermark: str = "CV Builder preview"


def _read_labels() -> dict[str, Labels]:
    """Return the labels by language tag. A tag such as `pt-PT` inherits what it lacks from `pt`."""
    read = TypeAdapter(Labels).validate_python
    tables: dict[str, dict[str, JsonValue]] = tomllib.loads(Path(__file__).with_name("labels.toml").read_text("utf-8"))
    return {tag: read({**tables.get(tag.partition("-")[0], {}), **table}) for tag, table in tables.items()}


LABELS = _read_labels()
