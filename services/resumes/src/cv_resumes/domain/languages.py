"""The language of a CV: the one that it names, or the one that its text is written in."""

from collections.abc import Iterator
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from cv_resumes.domain.content import ResumeContent
from cv_resumes.domain.language_tags import language_tag

_GUESSED = [
    "ar",
    "bg",
    "ca",
    "cs",
    "da",
    "de",
    "el",
    "en",
    "es",
    "fa",
    "fi",
    "fr",
    "he",
    "hi",
    "hr",
    "hu",
    "id",
    "it",
    "ja",
    "ko",
    "nl",
    "no",
    "pl",
    "pt",
    "ro",
    "ru",
    "sk",
    "sl",
    "sr",
    "sv",
    "th",
    "tr",
    "uk",
    "vi",
    "zh",
]
"""The languages that a CV may be guessed to be in. Fewer languages make short texts clearer."""
_MAX_CHARACTERS = 4000
"""The characters of a CV that are looked at."""
_CLEAR = 0.8
"""The probability above which a guess needs no second opinion."""
_TIED = 0.5
"""The share of the best language's probability above which another language may be meant as well."""
_SIMPLIFIED = frozenset("个们这为国时会对发学与业务经应东车书长门问间马语说请让谁产专华历压")
_TRADITIONAL = frozenset("個們這為國時會對發學與業務經應東車書長門問間馬語說請讓誰產專華歷壓")


def resume_language(resume: ResumeContent, accept_language: str, default: str) -> str:
    """Return the BCP 47 tag of a CV's language.

    It is the language that the CV names, else the one of its text. `accept_language`, the header of a request, decides
    between languages that the text may equally be in. A CV without any text has the first language of the header that
    exists, or `default`.
    """
    return resume.language or guess_language(_text_of(resume), accept_language) or default


def guess_language(text: str, accept_language: str) -> str | None:
    """Return the language of a text, or None if there is nothing to guess from."""
    accepted = [tag for item in accept_language.split(",") if (tag := language_tag(item.partition(";")[0].strip()))]
    if not any(character.isalpha() for character in text):
        return accepted[0] if accepted else None
    (best, probability), *others = _identifier().rank(text)
    tied = {best} | {name for name, share in others if probability < _CLEAR and share > _TIED * probability}
    tag = next((tag for tag in accepted if tag.partition("-")[0] in tied), best)
    return _chinese_script(text) if tag == "zh" else tag


def _text_of(resume: ResumeContent) -> str:
    """Return the texts that people write in the language of their CV: no names of persons, companies and skills."""
    return "\n".join(_texts(resume))[:_MAX_CHARACTERS]


def _texts(resume: ResumeContent) -> Iterator[str]:
    """Yield the long texts first, which are the surest."""
    yield resume.summary or ""
    for job in resume.experiences:
        yield job["description"] or ""
    for school in resume.education:
        yield school["description"] or ""
    for project in resume.projects_data:
        yield project.get("description") or ""
    for section in resume.custom_sections:
        yield section.get("title") or ""
        yield section.get("content") or ""
    yield resume.title or ""
    for job in resume.experiences:
        yield job["position"]
    for school in resume.education:
        yield f"{school['degree']} {school['field_of_study'] or ''}"
    for language in resume.languages_data:
        yield f"{language.get('language') or ''} {language.get('level') or ''}"


@cache
def _identifier() -> LanguageIdentifier:
    """Return the identifier. Loading it takes about a second."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_GUESSED)
    return identifier


def _chinese_script(text: str) -> str:
    simplified, traditional = (sum(map(text.count, each)) for each in (_SIMPLIFIED, _TRADITIONAL))
    return "zh-Hant" if traditional > simplified else "zh-Hans"
