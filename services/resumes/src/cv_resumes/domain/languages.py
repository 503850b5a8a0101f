"""The language of a CV: the one that it names, or the one that its text is written in."""

import re
from collections.abc import Iterator
from functools import cache
from threading import Lock

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from cv_resumes.domain.content import ResumeContent
from cv_resumes.domain.language_tags import language_tag

_GUESSED = [
    "ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hr", "hu", "id", "it",
    "ja", "ko", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "vi", "zh",
]  # fmt: skip
"""The languages that a CV may be guessed to be in. Fewer languages make short texts clearer."""
_MAX_CHARACTERS = 4000
"""The characters of a CV that are looked at."""
_CLEAR = 0.5
"""The probability from which a guess counts. Short texts in a wrong language rarely reach it."""
_POSSIBLE = 0.1
"""The share of the best language's probability from which another language may be meant instead."""
_ADDRESS = re.compile(r"\S*(?:://|www\.|@)\S*")
"""URLs and e-mail addresses, which tell nothing about the language."""
_LOADING = Lock()
_SIMPLIFIED = frozenset("个们这为国时会对发学与业务经应东车书长门问间马语说请让谁产专华历压")
_TRADITIONAL = frozenset("個們這為國時會對發學與業務經應東車書長門問間馬語說請讓誰產專華歷壓")


def resume_language(resume: ResumeContent, accept_language: str, default: str) -> str:
    """Return the BCP 47 tag of a CV's language: the one that the CV names, else the one of its text."""
    return resume.language or guess_language(_text_of(resume), accept_language, default)


def guess_language(text: str, accept_language: str, default: str) -> str:
    """Return the BCP 47 tag of the language of a text.

    `accept_language`, the header of a request, and then `default` decide if the text is empty or may be in several
    languages. The header can also tell the region of the text's language.
    """
    accepted = [tag for item in accept_language.split(",") if (tag := language_tag(item.partition(";")[0].strip()))]
    preferred = [*accepted, default]
    if not any(character.isalpha() for character in text):
        return preferred[0]
    (best, probability), *others = _identifier().rank(text)
    possible = {best}
    if probability < _CLEAR:
        possible |= {name for name, other in others if other >= _POSSIBLE * probability}
    tag = next((tag for tag in preferred if _language(tag) in possible), best)
    return _chinese(text) if _language(tag) == "zh" else tag


def _language(tag: str) -> str:
    return tag.partition("-")[0]


def _text_of(resume: ResumeContent) -> str:
    """Return the texts that people write in the language of their CV: no names of persons, companies and skills."""
    return _ADDRESS.sub("", "\n".join(filter(None, _texts(resume)))[:_MAX_CHARACTERS])


def _texts(resume: ResumeContent) -> Iterator[str | None]:
    """Yield the long texts first, which are the surest."""
    yield resume.summary
    for entries in (resume.experiences, resume.education, resume.projects_data):
        yield from (entry.get("description") for entry in entries)
    for section in resume.custom_sections:
        yield None if "kind" in section else section.get("title")  # an import may have titled a section with a kind
        yield section.get("content")
    yield resume.title
    yield from (job["position"] for job in resume.experiences)
    for school in resume.education:
        yield from (school["degree"], school.get("field_of_study"))
    for language in resume.languages_data:
        yield from (language.get("language"), language.get("level"))


def _identifier() -> LanguageIdentifier:
    """Return the identifier. Loading it takes about a second and 70 MB, so threads wait for one another."""
    with _LOADING:
        return _load_identifier()


@cache
def _load_identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_GUESSED)
    return identifier


def _chinese(text: str) -> str:
    simplified, traditional = (sum(map(text.count, each)) for each in (_SIMPLIFIED, _TRADITIONAL))
    return "zh-Hant" if traditional > simplified else "zh-Hans"
