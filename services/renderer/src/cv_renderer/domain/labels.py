"""The words that templates and the renderer add to a document, in each language."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "fr"]


@dataclass(frozen=True, slots=True)
class Labels:
    """The words of one language: section titles, skill levels (contract, annex A), months and phrases."""

    summary: str
    experience: str
    education: str
    skills: str
    languages: str
    certifications: str
    projects: str
    levels: dict[str, str]
    months: tuple[str, ...]
    present: str
    colon: str
    document_title: str
    watermark: str


_ENGLISH = Labels(
    summary="Profile",
    experience="Experience",
    education="Education",
    skills="Skills",
    languages="Languages",
    certifications="Certifications",
    projects="Projects",
    levels={"beginner": "Beginner", "intermediate": "Intermediate", "advanced": "Advanced", "expert": "Expert"},
    months=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    present="Present",
    colon=":",
    document_title="{name} – CV",
    watermark="CV Builder preview",
)

_FRENCH = Labels(
    summary="Profil",
    experience="Expérience professionnelle",
    education="Formation",
    skills="Compétences",
    languages="Langues",
    certifications="Certifications",
    projects="Projets",
    levels={"beginner": "Débutant", "intermediate": "Intermédiaire", "advanced": "Avancé", "expert": "Expert"},
    months=("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
    present="aujourd’hui",
    colon="\N{NO-BREAK SPACE}:",
    document_title="{name} – CV",
    watermark="CV Builder aperçu",
)

LABELS: dict[Language, Labels] = {"en": _ENGLISH, "fr": _FRENCH}
