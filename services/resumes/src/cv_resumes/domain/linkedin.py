"""Read a member's LinkedIn data export into a draft."""

import re
from collections.abc import Callable
from typing import TypeVar

from cv_resumes.domain.archives import Archive, InvalidArchive, Limits
from cv_resumes.domain.content import MAX_LONG, MAX_SHORT
from cv_resumes.domain.drafts import CERTIFICATIONS, EDUCATION, EXPERIENCE, LANGUAGES, PROJECTS, SKILLS, Draft
from cv_resumes.domain.linkedin_files import read_tables
from cv_resumes.domain.records import Record, clean, drop_empty, is_email, is_url, join_present

_BRACKETS = re.compile(r"\[([^\[\]]*:[^\[\]]*)\]")
_LABEL = re.compile(r"[A-Z_ ]+:https?://", re.IGNORECASE)
_BETWEEN_WEBSITES = re.compile(r",(?=[A-Z_ ]+:https?://)", re.IGNORECASE)
"""A URL may contain commas. A comma ends it only before the label of the next URL."""
_GITHUB = re.compile(r"https?://(www\.)?github\.com/", re.IGNORECASE)
Rank = TypeVar("Rank", int, tuple[bool, bool])

_PHONE_RANKS = {"home": 1, "mobile": 2}
_YES = frozenset({"yes", "true"})


def read_export(content: bytes, limits: Limits) -> Draft:
    """Return the draft of a data export. Raises InvalidArchive if it is none, or unsafe to open."""
    draft = Draft()
    tables = read_tables(Archive(content, limits), draft)
    if not tables:
        raise InvalidArchive("The ZIP archive is not a LinkedIn data export: it holds none of its files.")
    _profile(draft, tables.get("profile", []))
    _emails(draft, tables.get("emails", []))
    _phones(draft, tables.get("phones", []))
    for kind, read in _ENTRIES.items():
        for row in tables.get(kind, []):
            read(row)
    return draft


def _profile(draft: Draft, rows: list[Record]) -> None:
    for profile in rows[:1]:
        name = join_present(clean(profile.raw("first name")), clean(profile.raw("last name")), by=" ")
        street, zip_code = clean(profile.raw("address")), clean(profile.raw("zip code"))
        address = street if zip_code in street.replace(",", " ").split() else join_present(street, zip_code)
        place = clean(profile.raw("geo location"))
        if address and place:
            profile.add_note(f'geo location: "{place[:MAX_SHORT]}" is left out: there is an address.')
        website, github = _websites(profile)
        draft.set_fields(
            full_name=profile.truncate("name", name),
            title=profile.text("headline"),
            summary=profile.text("summary", MAX_LONG),
            address=profile.truncate("address", address or place, 300),
            website=website,
            github_url=github,
        )
    for profile in rows[1:]:
        profile.add_note("It is left out: another row holds the profile.")


def _websites(profile: Record) -> tuple[str | None, str | None]:
    """Return the first website and the first GitHub URL. Further ones are reported."""
    website = github = None
    for link in _links(clean(profile.raw("websites"))):
        if is_url(link) and github is None and _GITHUB.match(link):
            github = link
        elif is_url(link) and website is None:
            website = link
        else:
            profile.add_note(f'websites: "{link[:MAX_SHORT]}" is left out.')
    return website, github


def _links(text: str) -> list[str]:
    """Split `[PORTFOLIO:https://…],[BLOG:https://…]`, `[PORTFOLIO:https://…,BLOG:https://…]` or bare URLs."""
    if _LABEL.match(text):  # the format of older exports
        text = f"[{text}]"
    labeled = [part for inner in _BRACKETS.findall(text) for part in _BETWEEN_WEBSITES.split(inner)]
    links = [part.partition(":")[2] for part in labeled] or text.split(",")
    return [link.strip() for link in links if link.strip()]


def _emails(draft: Draft, rows: list[Record]) -> None:
    """Set the primary e-mail address, else a confirmed one, else any."""
    found: list[tuple[tuple[bool, bool], str, Record]] = []
    for row in rows:
        email = clean(row.raw("email address"))
        is_primary, is_confirmed = (clean(row.raw(name)).casefold() in _YES for name in ("primary", "confirmed"))
        row.mark_used("updated on")
        if is_email(email):
            found.append(((is_primary, is_confirmed), email, row))
        elif email:
            row.add_note("It is left out: it is not an e-mail address.")
    draft.set_fields(email=_best(found))


def _phones(draft: Draft, rows: list[Record]) -> None:
    """Set the first mobile number, else the first private one, else the first number."""
    found: list[tuple[int, str, Record]] = []
    for row in rows:
        number, kind = row.complete_text("number", 30), clean(row.raw("type")).casefold()
        row.mark_used("extension")
        if number is not None:
            found.append((_PHONE_RANKS.get(kind, 0), number, row))
    draft.set_fields(phone=_best(found))


def _best(found: list[tuple[Rank, str, Record]]) -> str | None:
    """Return the first text of the highest rank, and report the other texts. None if there is none."""
    if not found:
        return None
    best = max(found, key=lambda each: each[0])
    for _, text, row in found:
        if text != best[1]:
            row.add_note(f'"{text[:MAX_SHORT]}" is left out: a CV has one.')
    return best[1]


def _position(row: Record) -> None:
    row.add_entry(
        EXPERIENCE,
        {
            "company": row.text("company name"),
            "position": row.text("title"),
            "location": row.text("location"),
            **row.period("started on", "finished on", open_ended=True),
            "description": row.text("description", MAX_LONG),
        },
    )


def _education(row: Record) -> None:
    notes = join_present(clean(row.raw("notes")), clean(row.raw("activities")), by="\n")
    row.add_entry(
        EDUCATION,
        {
            "institution": row.text("school name"),
            "degree": row.text("degree name"),
            **row.period("start date", "end date"),
            "description": row.truncate("notes", notes, MAX_LONG),
        },
    )


def _skill(row: Record) -> None:
    row.add_entry(SKILLS, {"name": row.text("name", MAX_SHORT), "level": None, "category": None})


def _language(row: Record) -> None:
    row.add_entry(LANGUAGES, {"language": row.text("name", MAX_SHORT), "level": row.text("proficiency", MAX_SHORT)})


def _certification(row: Record) -> None:
    entry = {"name": row.text("name"), "issuer": row.text("authority"), "date": row.date_text("started on")}
    further = {
        "url": row.url("url"),
        "end_date": row.date_text("finished on"),
        "license_number": row.text("license number"),
    }
    row.add_entry(CERTIFICATIONS, entry | drop_empty(further))


def _project(row: Record) -> None:
    entry = {"name": row.text("title"), "description": row.text("description", MAX_LONG), "url": row.url("url")}
    row.add_entry(
        PROJECTS,
        entry | drop_empty({"start_date": row.date_text("started on"), "end_date": row.date_text("finished on")}),
    )


def _volunteering(row: Record) -> None:
    years = join_present(row.text("started on", MAX_SHORT), row.text("finished on", MAX_SHORT), by=" – ")
    what = join_present(row.text("role"), row.text("company name"), row.text("cause"), years)
    row.add_paragraph("volunteering", what, row.text("description", MAX_LONG))


def _honor(row: Record) -> None:
    row.add_paragraph(
        "honors", join_present(row.text("title"), row.text("issued on", MAX_SHORT)), row.text("description", MAX_LONG)
    )


def _publication(row: Record) -> None:
    what = join_present(row.text("name"), row.text("publisher"), row.text("published on", MAX_SHORT))
    row.add_paragraph("publications", what, row.text("description", MAX_LONG), row.url("url"))


def _course(row: Record) -> None:
    row.add_paragraph("courses", join_present(row.text("name"), row.text("number")))


def _organization(row: Record) -> None:
    years = join_present(row.text("started on", MAX_SHORT), row.text("finished on", MAX_SHORT), by=" – ")
    what = join_present(row.text("position"), row.text("name"), years)
    row.add_paragraph("organizations", what, row.text("description", MAX_LONG))


def _patent(row: Record) -> None:
    what = join_present(row.text("title"), row.text("number"), row.text("issued on", MAX_SHORT))
    row.add_paragraph("patents", what, row.text("description", MAX_LONG), row.url("url"))


def _test_score(row: Record) -> None:
    what = join_present(row.text("name"), row.text("score"), row.text("date", MAX_SHORT))
    row.add_paragraph("test_scores", what, row.text("description", MAX_LONG))


_ENTRIES: dict[str, Callable[[Record], None]] = {
    "positions": _position,
    "education": _education,
    "skills": _skill,
    "languages": _language,
    "certifications": _certification,
    "projects": _project,
    "volunteering": _volunteering,
    "honors": _honor,
    "publications": _publication,
    "courses": _course,
    "organizations": _organization,
    "patents": _patent,
    "test_scores": _test_score,
}
"""The functions that read a row, by kind of file."""
