"""Read a JSON Resume document (jsonresume.org, schema 1.x) into a draft.

Every field is optional, and a source may send anything: values that violate the schema are left out and reported.
"""

import re
from collections.abc import Mapping

from cv_resumes.domain.content import MAX_LONG, MAX_SHORT, SKILL_LEVELS
from cv_resumes.domain.drafts import CERTIFICATIONS, EDUCATION, EXPERIENCE, LANGUAGES, PROJECTS, SKILLS, Draft
from cv_resumes.domain.profile_urls import profile_url
from cv_resumes.domain.records import Record, bullet_list, clean, drop_empty, is_email, join_present

_GITHUB_NAME = re.compile(r"[A-Za-z0-9-]{1,39}", re.ASCII)


def read_json_resume(document: Mapping[str, object]) -> Draft:
    """Return the draft of a JSON Resume document."""
    draft = Draft()
    root = Record(draft, "profile", None, document)
    root.mark_used("$schema", "meta")
    _basics(draft, root.record("basics"))
    for job in root.records("work"):
        _work(job)
    for school in root.records("education"):
        _education(school)
    for skill in root.records("skills"):
        _skill(skill)
    for language in root.records("languages"):
        language.add_entry(
            LANGUAGES, {"language": language.text("language", MAX_SHORT), "level": language.text("fluency", MAX_SHORT)}
        )
    for certificate in root.records("certificates"):
        _certificate(certificate)
    for project in root.records("projects"):
        _project(project)
    _custom_sections(root)
    return draft


def _basics(draft: Draft, basics: Record) -> None:
    email, url = basics.complete_text("email", 254), basics.url("url") or basics.url("website")
    if email is not None and not is_email(email):
        basics.add_note("email is left out: it is not an e-mail address.")
        email = None
    location = basics.record("location")
    places = (location.text(name) for name in ("address", "postalCode", "city", "region", "countryCode"))
    draft.set_fields(
        full_name=basics.text("name"),
        email=email,
        phone=basics.complete_text("phone", 30),
        address=location.truncate("address", join_present(*places), 300),
        website=url if url is None or profile_url(url) is None else None,
        github_url=_github(basics.records("profiles")),
        title=basics.truncate("label", clean(basics.raw("label"))),
        summary=basics.text("summary", MAX_LONG),
    )


def _github(profiles: list[Record]) -> str | None:
    """Return the URL of the first GitHub profile, which its user name replaces if it is missing."""
    found = None
    for profile in profiles:
        network, user = clean(profile.raw("network")).casefold(), clean(profile.raw("username"))
        url = profile.url("url")
        if network == "github" and found is None:
            found = url or (f"https://github.com/{user}" if _GITHUB_NAME.fullmatch(user) else None)
        elif network != "linkedin":
            profile.add_note(f"A CV has no place for: {network[:MAX_SHORT] or url}.")
    return found


def _work(job: Record) -> None:
    job.add_entry(
        EXPERIENCE,
        {
            "company": job.text("name") or job.text("company"),
            "position": job.text("position"),
            "location": job.text("location"),
            **job.period("startDate", "endDate", open_ended=True),
            "description": _description(job),
        },
    )


def _description(record: Record) -> str | None:
    """Return the summary and the description, followed by the highlights as a list."""
    texts = clean(record.raw("summary")), clean(record.raw("description")), bullet_list(record.texts("highlights"))
    return record.truncate("description", join_present(*texts, by="\n"), MAX_LONG)


def _education(school: Record) -> None:
    area = school.text("area")
    school.add_entry(
        EDUCATION,
        {
            "institution": school.text("institution"),
            "degree": school.text("studyType") or area,
            "field_of_study": area,
            "location": school.text("location"),
            **school.period("startDate", "endDate"),
            "grade": school.text("score", MAX_SHORT) or school.text("gpa", MAX_SHORT),
            "description": school.truncate("courses", bullet_list(school.texts("courses")), MAX_LONG),
        },
    )


def _skill(skill: Record) -> None:
    """Add a skill. One with keywords is a group: its keywords are the skills, and its name is their category."""
    name, keywords, level = skill.text("name", MAX_SHORT), skill.texts("keywords"), clean(skill.raw("level")).casefold()
    if level and level not in SKILL_LEVELS:
        skill.add_note(f'level is left out: "{level[:MAX_SHORT]}" is none of {", ".join(SKILL_LEVELS)}.')
    known = level if level in SKILL_LEVELS else None
    for keyword in keywords:
        skill.add_entry(
            SKILLS, {"name": skill.truncate("keyword", keyword, MAX_SHORT), "level": known, "category": name}
        )
    if not keywords:
        skill.add_entry(SKILLS, {"name": name, "level": known, "category": None})


def _certificate(certificate: Record) -> None:
    entry = {
        "name": certificate.text("name"),
        "issuer": certificate.text("issuer"),
        "date": certificate.date_text("date"),
    }
    certificate.add_entry(CERTIFICATIONS, entry | drop_empty({"url": certificate.url("url")}))


def _project(project: Record) -> None:
    entry = {"name": project.text("name"), "description": _description(project), "url": project.url("url")}
    further = {
        "start_date": project.date_text("startDate"),
        "end_date": project.date_text("endDate"),
        "roles": join_present(*project.texts("roles")),
        "keywords": join_present(*project.texts("keywords")),
    }
    project.add_entry(PROJECTS, entry | drop_empty(further))


def _custom_sections(root: Record) -> None:
    """Add custom sections for what a resume has no section for."""
    for work in root.records("volunteer"):
        what = join_present(work.text("position"), work.text("organization"), _years(work))
        work.add_paragraph("volunteering", what, _description(work), work.url("url"))
    for award in root.records("awards"):
        what = join_present(award.text("title"), award.text("awarder"), award.text("date", MAX_SHORT))
        award.add_paragraph("honors", what, award.text("summary", MAX_LONG))
    for publication in root.records("publications"):
        what = join_present(*(publication.text(name) for name in ("name", "publisher", "releaseDate")))
        publication.add_paragraph("publications", what, publication.text("summary", MAX_LONG), publication.url("url"))
    for interest in root.records("interests"):
        interest.add_paragraph(
            "interests", join_present(interest.text("name"), join_present(*interest.texts("keywords")), by=": ")
        )


def _years(record: Record) -> str:
    """Return the start and the end as the source has them."""
    return join_present(record.text("startDate", MAX_SHORT), record.text("endDate", MAX_SHORT), by=" – ")
