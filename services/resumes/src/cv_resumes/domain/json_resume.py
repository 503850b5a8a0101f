"""A JSON Resume document (jsonresume.org, schema 1.x) becomes the draft of a resume.

All of it is optional, and a source may hold anything: whatever is not as the schema says is left out and noted.
"""

import re
from typing import Any

from cv_resumes.domain.content import MAX_LONG, MAX_SHORT, SKILL_LEVELS
from cv_resumes.domain.drafts import (
    CERTIFICATIONS,
    EDUCATION,
    EXPERIENCE,
    LANGUAGES,
    PROJECTS,
    SKILLS,
    Draft,
)
from cv_resumes.domain.profile_urls import profile_url
from cv_resumes.domain.records import Record, bulleted, clean, filled, is_email, joined

_GITHUB_NAME = re.compile(r"[A-Za-z0-9-]{1,39}", re.ASCII)


def read_json_resume(document: dict[str, Any]) -> Draft:
    """The draft of what a JSON Resume document says."""
    draft = Draft()
    root = Record(draft, "profile", None, document)
    root.ignore("$schema", "meta")
    _basics(draft, root.record("basics"))
    for job in root.records("work"):
        _work(job)
    for studies in root.records("education"):
        _education(studies)
    for skill in root.records("skills"):
        _skill(skill)
    for language in root.records("languages"):
        language.add(
            LANGUAGES, {"language": language.text("language", MAX_SHORT), "level": language.text("fluency", MAX_SHORT)}
        )
    for certificate in root.records("certificates"):
        _certificate(certificate)
    for project in root.records("projects"):
        _project(project)
    _stories(root)
    return draft


def _basics(draft: Draft, basics: Record) -> None:
    email, url = basics.whole("email", 254), basics.url("url")
    if email is not None and not is_email(email):
        basics.note("email is left out: it is not an e-mail address.")
        email = None
    location = basics.record("location")
    places = (location.text(name) for name in ("address", "postalCode", "city", "region", "countryCode"))
    draft.set(
        full_name=basics.text("name"),
        email=email,
        phone=basics.whole("phone", 30),
        address=location.cut("address", joined(*places), 300),
        website=url if url is None or profile_url(url) is None else None,
        github_url=_github(basics.records("profiles")),
        title=basics.cut("label", clean(basics.raw("label"))),
        summary=basics.text("summary", MAX_LONG),
    )


def _github(profiles: list[Record]) -> str | None:
    """The address of the GitHub profile among `profiles`; what it does not say its user name does."""
    found = None
    for profile in profiles:
        network, user = clean(profile.raw("network")).casefold(), clean(profile.raw("username"))
        url = profile.url("url")
        if network == "github" and found is None:
            found = url or (f"https://github.com/{user}" if _GITHUB_NAME.fullmatch(user) else None)
        elif network != "linkedin":
            profile.note(f"A CV has no place for: {network[:MAX_SHORT] or url}.")
    return found


def _work(job: Record) -> None:
    job.add(
        EXPERIENCE,
        {
            "company": job.text("name"),
            "position": job.text("position"),
            "location": job.text("location"),
            **job.period("startDate", "endDate", lasts=True),
            "description": _description(job),
        },
    )


def _description(record: Record) -> str | None:
    """Summary or description, and the highlights below it as a list."""
    said = clean(record.raw("summary")), clean(record.raw("description"))
    return record.cut("description", joined(*said, bulleted(record.texts("highlights")), by="\n"), MAX_LONG)


def _education(studies: Record) -> None:
    area = studies.text("area")
    studies.add(
        EDUCATION,
        {
            "institution": studies.text("institution"),
            "degree": studies.text("studyType") or area,
            "field_of_study": area,
            "location": studies.text("location"),
            **studies.period("startDate", "endDate"),
            "grade": studies.text("score", MAX_SHORT),
            "description": studies.cut("courses", bulleted(studies.texts("courses")), MAX_LONG),
        },
    )


def _skill(skill: Record) -> None:
    """A skill with keywords is a group: the keywords are the skills, its name their category."""
    name, keywords, level = skill.text("name", MAX_SHORT), skill.texts("keywords"), clean(skill.raw("level")).casefold()
    if level and level not in SKILL_LEVELS:
        skill.note(f'level is left out: "{level[:MAX_SHORT]}" is none of {", ".join(SKILL_LEVELS)}.')
    known = level if level in SKILL_LEVELS else None
    for keyword in keywords:
        skill.add(SKILLS, {"name": skill.cut("keyword", keyword, MAX_SHORT), "level": known, "category": name})
    if not keywords:
        skill.add(SKILLS, {"name": name, "level": known, "category": None})


def _certificate(certificate: Record) -> None:
    entry = {
        "name": certificate.text("name"),
        "issuer": certificate.text("issuer"),
        "date": certificate.date("date"),
    }
    certificate.add(CERTIFICATIONS, entry | filled({"url": certificate.url("url")}))


def _project(project: Record) -> None:
    entry = {"name": project.text("name"), "description": _description(project), "url": project.url("url")}
    dates = {"start_date": project.date("startDate"), "end_date": project.date("endDate")}
    project.add(PROJECTS, entry | filled(dates))


def _stories(root: Record) -> None:
    """What a resume has no list for becomes text in sections of its own."""
    for work in root.records("volunteer"):
        what = joined(work.text("position"), work.text("organization"), _years(work))
        work.tell("volunteering", what, _description(work), work.url("url"))
    for award in root.records("awards"):
        what = joined(award.text("title"), award.text("awarder"), award.text("date", MAX_SHORT))
        award.tell("honors", what, award.text("summary", MAX_LONG))
    for publication in root.records("publications"):
        what = joined(*(publication.text(name) for name in ("name", "publisher", "releaseDate")))
        publication.tell("publications", what, publication.text("summary", MAX_LONG), publication.url("url"))
    for interest in root.records("interests"):
        interest.tell("interests", joined(interest.text("name"), joined(*interest.texts("keywords")), by=": "))


def _years(record: Record) -> str:
    """From when to when, in the source's own words."""
    return joined(record.text("startDate", MAX_SHORT), record.text("endDate", MAX_SHORT), by=" – ")
