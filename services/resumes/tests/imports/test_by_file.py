"""Imports of data exports, one test for each trap."""

import asyncio
import io
import json
import struct
import zipfile
from collections.abc import AsyncIterator
from hashlib import shake_256

import httpx
import pytest
from cv_resumes.main import app
from cv_testing.serving import serving

from services.resumes.tests.imports.export import (
    EXPORT,
    INVALID,
    PROFILE_HEADER,
    imported,
    told,
    upload,
    zipped,
)


async def test_a_data_export_becomes_a_resume(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    body = await imported(resumes, user, EXPORT)
    assert (body["full_name"], body["email"], body["title"]) == ("Jane Smith", "jane@example.com", "Designer")
    assert (body["summary"], body["address"]) == ('Ten years, and "more".', "Paris, France")
    assert (body["linkedin_url"], body["template"]) == (None, 1)
    first, second = body["experiences"]
    assert {**first, "id": 0} == {
        "id": 0, "company": "Acme", "position": "Lead designer", "location": "Paris", "start_date": "2024-03-01",
        "end_date": None, "is_current": True, "description": "Led design.\nHired four.", "order": 0,
    }  # fmt: skip
    assert (second["start_date"], second["end_date"], second["is_current"]) == ("2019-01-01", "2024-02-01", False)
    assert [(skill["name"], skill["level"]) for skill in body["skills"]] == [("Figma", None), ("Typography", None)]
    assert body["import_report"] == [
        {"file": "Email Addresses.csv", "row": 2, "reason": '"old@example.com" is left out: a CV has one.'},
        {"file": "Profile.csv", "reason": "A CV has no place for: industry."},
    ]


async def test_the_other_files_of_an_export_are_read_too(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files: dict[str, str | bytes] = {
        **EXPORT,
        "PhoneNumbers.csv": "Extension,Number,Type\n,+33 1 23 45 67 89,Home\n,+33 6 12 34 56 78,Mobile\n",
        "Education.csv": (
            "School Name,Start Date,End Date,Notes,Degree Name,Activities\n"
            "ENSAD,2010,2015,With honors,Master,Student union\n"
        ),
        "Languages.csv": "Name,Proficiency\nFrench,Native or bilingual proficiency\nTamil,\n",
        "Certifications.csv": (
            "Name,Url,Authority,Started On,Finished On,License Number\n"
            "UX,https://certs.example.com/1,UX Institute,Jun 2021,,AB-1\nBare,,,,,\n"
        ),
        "Projects.csv": (
            "Title,Description,Url,Started On,Finished On\n"
            "Type,A typeface,https://type.example.com,Jan 2020,Mar 2021\nNo scheme,,type.example.com,,\n"
        ),
        "Volunteering.csv": (
            "Company Name,Role,Cause,Started On,Finished On,Description\n"
            "Red Cross,First aider,Health,Mar 2018,Apr 2020,Weekends.\n"
        ),
        "Honors.csv": "Title,Description,Issued On\nD&AD Pencil,For Type,May 2021\n",
        "Publications.csv": (
            'Name,Published On,Description,Publisher,Url\nOn ink,"Mar 5, 2020",,Press,https://ink.example.com\n'
        ),
    }
    body = await imported(resumes, user, files)
    assert body["phone"] == "+33 6 12 34 56 78"
    studies = body["education"][0]
    assert (studies["institution"], studies["degree"], studies["field_of_study"]) == ("ENSAD", "Master", None)
    assert (studies["start_date"], studies["end_date"]) == ("2010-01-01", "2015-01-01")
    assert studies["description"] == "With honors\nStudent union"
    assert body["languages_data"] == [
        {"language": "French", "level": "Native or bilingual proficiency"},
        {"language": "Tamil", "level": None},
    ]
    assert body["certifications_data"] == [
        {
            "name": "UX", "issuer": "UX Institute", "date": "2021-06", "url": "https://certs.example.com/1",
            "license_number": "AB-1",
        },
        {"name": "Bare", "issuer": None, "date": None},
    ]  # fmt: skip
    assert body["projects_data"] == [
        {
            "name": "Type", "description": "A typeface", "url": "https://type.example.com",
            "start_date": "2020-01", "end_date": "2021-03",
        },
        {"name": "No scheme", "description": None, "url": None},
    ]  # fmt: skip
    assert told(body, "Projects.csv") == [(3, 'url is left out: "type.example.com" is not a link that a CV takes.')]
    assert body["custom_sections"] == [
        {
            "title": "Bénévolat",
            "content": "First aider, Red Cross, Health, Mar 2018 – Apr 2020\nWeekends.",
            "kind": "volunteering",
        },
        {"title": "Distinctions", "content": "D&AD Pencil, May 2021\nFor Type", "kind": "honors"},
        {
            "title": "Publications",
            "content": "On ink, Press, Mar 5, 2020\nhttps://ink.example.com",
            "kind": "publications",
        },
    ]


async def test_folders_case_marks_and_line_ends_do_not_matter(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files: dict[str, str | bytes] = {}
    for name, text in EXPORT.items():
        header, _, rows = text.partition("\n")
        files[f"Basic_LinkedInDataExport_03-15-2024/{name.upper()}"] = (
            "\ufeff" + f"{header.upper()}\n{rows}".replace("\n", "\r\n")
        ).encode()
    files["__MACOSX/._Profile.csv"] = b"\x00\x05\x16\x07"
    body = await imported(resumes, user, files)
    assert (body["full_name"], body["email"], len(body["skills"])) == ("Jane Smith", "jane@example.com", 2)
    assert body["experiences"][0]["description"] == "Led design.\r\nHired four."
    assert body["import_report"] == [
        {"file": "EMAIL ADDRESSES.CSV", "row": 2, "reason": '"old@example.com" is left out: a CV has one.'},
        {"file": "PROFILE.CSV", "reason": "A CV has no place for: industry."},
    ]


async def test_latin_1_is_read(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    profile = f"{PROFILE_HEADER}\nÉloïse,Lefèvre,,,,Œnologue,,,,,,,\n"
    body = await imported(resumes, user, {"Profile.csv": profile.encode("cp1252")})
    assert (body["full_name"], body["title"]) == ("Éloïse Lefèvre", "Œnologue")


async def test_invalid_byte_affects_one_line_and_is_reported(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    skills = "Name\nÉlectricité\nSoudure \u20ac\n日本語\n".encode().replace("\u20ac".encode(), b"\x80")
    body = await imported(resumes, user, {**EXPORT, "Skills.csv": skills})
    assert [skill["name"] for skill in body["skills"]] == ["Électricité", "Soudure €", "日本語"]
    assert told(body, "Skills.csv") == [(None, "Some of its letters may be wrong: it is not in UTF-8 throughout.")]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
async def test_utf_16_with_a_byte_order_mark_is_read(
    resumes: httpx.AsyncClient, user: dict[str, str], codec: str, line_end: str
) -> None:
    files = {
        name: ("\ufeff" + text.replace("\n", line_end)).replace("Jane", "Jana Čapek").encode(codec)
        for name, text in EXPORT.items()
    }
    body = await imported(resumes, user, files)
    assert (body["full_name"], body["email"]) == ("Jana Čapek Smith", "jane@example.com")
    assert (len(body["experiences"]), len(body["skills"])) == (2, 2)
    assert told(body, "Profile.csv") == [(None, "A CV has no place for: industry.")]


async def test_translated_file_names_are_recognized_by_their_header(
    resumes: httpx.AsyncClient, user: dict[str, str]
) -> None:
    names = {
        "Profile.csv": "Profil.csv",
        "Email Addresses.csv": "E-Mail-Adressen.csv",
        "Positions.csv": "Berufserfahrung.csv",
        "Skills.csv": "Compétences.csv",
    }
    body = await imported(resumes, user, {names[name]: text for name, text in EXPORT.items()})
    assert (body["full_name"], body["email"]) == ("Jane Smith", "jane@example.com")
    assert (len(body["experiences"]), len(body["skills"])) == (2, 2)


async def test_the_profile_summary_is_not_the_profile(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files = {"Profile Summary.csv": f"{PROFILE_HEADER}\nNot,Me,,,,,,,,,,,\n", **EXPORT}
    body = await imported(resumes, user, files)
    assert body["full_name"] == "Jane Smith"
    assert told(body, "Profile Summary.csv") == [(None, "It is left out: a CV has no place for what it holds.")]


@pytest.mark.parametrize(
    ("websites", "website", "github", "left_out"),
    [
        ("[PORTFOLIO:https://jane.example.com]", "https://jane.example.com", None, 0),
        (
            "[COMPANY:https://a.example.com/x?y=1:2],[OTHER:https://www.github.com/jane],[BLOG:https://b.example.com]",
            "https://a.example.com/x?y=1:2", "https://www.github.com/jane", 1,
        ),
        (
            "[OTHER:https://github.com/x,PERSONAL:https://b.example.org]",
            "https://b.example.org", "https://github.com/x", 0,
        ),
        (
            "[BLOG:https://a.example.com/x,y, RSS_FEED:https://b.example.org],[OTHER:http://github.com/x]",
            "https://a.example.com/x,y", "http://github.com/x", 1,
        ),
        ("https://jane.example.com", "https://jane.example.com", None, 0),
        ("[PORTFOLIO:javascript:alert(1)],[BLOG:]", None, None, 1),
        ("[PERSONAL:jane.example.com]", None, None, 1),
    ],
)  # fmt: skip
async def test_websites(
    resumes: httpx.AsyncClient, user: dict[str, str],
    websites: str, website: str | None, github: str | None, left_out: int,
) -> None:  # fmt: skip
    profile = f'{PROFILE_HEADER}\nJane,Smith,,,,,,,,,,"{websites}",\n'
    body = await imported(resumes, user, {"Profile.csv": profile})
    assert (body["website"], body["github_url"]) == (website, github)
    assert len(told(body, "Profile.csv")) == left_out


@pytest.mark.parametrize(
    ("rows", "email"),
    [
        ("a@example.com,Yes,No,\nb@example.com,No,Yes,\n", "b@example.com"),
        ("a@example.com,No,No,\nb@example.com,Yes,No,\n", "b@example.com"),
        ("not an address,Yes,Yes,\nb@example.com,No,No,\n", "b@example.com"),
        (",Yes,Yes,\n", ""),
    ],
)
async def test_the_primary_address_is_taken(
    resumes: httpx.AsyncClient, user: dict[str, str], rows: str, email: str
) -> None:
    files = {**EXPORT, "Email Addresses.csv": f"Email Address,Confirmed,Primary,Updated On\n{rows}"}
    assert (await imported(resumes, user, files))["email"] == email


async def test_rows_without_required_values_are_reported(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    positions = (
        "Company Name,Title,Description,Location,Started On,Finished On\n"
        "Acme,Boss,,,,\n"
        ",,,,,\n"
        "Solo,,,,Mar 2020,\n"
        "Late,Clerk,,,Marz 2020,\n"
        "Back,Clerk,,,Mar 2020,Feb 2020\n"
        "Short,Clerk\n"
        f"Long,Clerk,{'x' * 10_001},,2020,Present\n"
    )
    body = await imported(resumes, user, {**EXPORT, "Positions.csv": positions})
    assert [(job["company"], job["position"], job["description"]) for job in body["experiences"][:-1]] == [
        ("Acme", "Boss", None),
        ("Solo", "", None),
        ("Late", "Clerk", "Marz 2020"),
        ("Back", "Clerk", "Feb 2020"),
        ("Short", "Clerk", None),
    ]
    assert [job["start_date"] for job in body["experiences"]] == [
        None,
        "2020-03-01",
        None,
        "2020-03-01",
        None,
        "2020-01-01",
    ]
    assert [job["is_current"] for job in body["experiences"]] == [False, True, False, False, False, True]
    assert body["experiences"][0]["start_date_precision"] == "unknown"
    assert body["experiences"][-1]["start_date_precision"] == "year"
    assert len(body["experiences"][-1]["description"]) == 10_000
    assert told(body, "Positions.csv") == [
        (4, '"Solo" has no position.'),
        (5, 'started on is in the description: "Marz 2020" is not a date.'),
        (6, "finished on is in the description: it is before started on."),
        (8, "description is cut after 10000 characters."),
    ]


async def test_missing_files_and_columns_are_normal(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files = {"Profile.csv": "First Name,Last Name\nAda,Byron\n", "Skills.csv": EXPORT["Skills.csv"]}
    body = await imported(resumes, user, files)
    assert (body["full_name"], body["email"], len(body["skills"])) == ("Ada Byron", "", 2)
    assert body["import_report"] == [{"file": "resume", "reason": "The source has no email."}]


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"Profile.csv": "First Name,Last Name\n"},
        {"Profile.csv": f"{PROFILE_HEADER}\n , ,,,,Designer,,,,,,,\n"},
        {"Leute.csv": "First Name,Last Name\nOther,Person\n"},
    ],
)
async def test_archive_without_a_name_is_refused(
    resumes: httpx.AsyncClient, user: dict[str, str], profile: dict[str, str]
) -> None:
    answer = await upload(resumes, user, {"Skills.csv": EXPORT["Skills.csv"], **profile})
    assert (answer.status_code, answer.json()) == (400, {"file": ["No profile with a name was found in the archive."]})
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


async def test_profile_url_may_be_sent_with_the_file(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    answer = await upload(resumes, user, EXPORT, data={"linkedin_url": "https://fr.linkedin.com/in/jane/?x"})
    assert (answer.status_code, answer.json()["linkedin_url"]) == (201, "https://www.linkedin.com/in/jane")
    answer = await upload(resumes, user, EXPORT, data={"linkedin_url": ""})
    assert (answer.status_code, answer.json()["linkedin_url"]) == (201, None)
    answer = await upload(resumes, user, EXPORT, data={"linkedin_url": "https://evil.example/in/jane"})
    assert (answer.status_code, answer.json()) == (400, INVALID)


OTHERS = [
    "Connections.csv", "messages.csv", "guide_messages.csv", "Invitations.csv", "Recommendations_Given.csv",
    "Recommendations_Received.csv", "Endorsement_Given_Info.csv", "ImportedContacts.csv", "Member_Follows_123.csv",
    "Reactions_123.csv", "Ad_Targeting.csv", "Jobs/Job Applications.csv", "Articles/Articles/on-type.html",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
async def test_files_about_other_people_are_never_opened(
    resumes: httpx.AsyncClient, user: dict[str, str], name: str
) -> None:
    """Their content is broken: whoever opened them would fail."""
    content = damaged(zipped({**EXPORT, f"Export/{name}": f"{PROFILE_HEADER}\n{'Other,Person' * 40}\n"}), name)
    body = await imported(resumes, user, content)
    assert body["full_name"] == "Jane Smith"
    told_of = name.rpartition("/")[2]
    assert told(body, told_of) == [(None, "It is left out: a CV has no place for what it holds.")]


@pytest.mark.parametrize("name", [name for name in OTHERS if name.endswith(".csv")])
async def test_files_about_other_people_are_ignored_even_if_they_look_like_a_cv(
    resumes: httpx.AsyncClient, user: dict[str, str], name: str
) -> None:
    body = await imported(resumes, user, {"Profile.csv": EXPORT["Profile.csv"], name: "Name\nSomebody else\n"})
    assert body["skills"] == []


def damaged(content: bytes, name: str) -> bytes:
    """An archive with one file's compressed bytes overwritten."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = next(entry for entry in archive.infolist() if entry.filename.endswith(name))
    start = entry.header_offset + 30 + len(entry.filename.encode())
    return content[:start] + b"\xff" * entry.compress_size + content[start + entry.compress_size :]


async def test_only_the_header_of_an_unknown_file_is_read(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files = {**EXPORT, "Kontakte.csv": "First Name,Last Name,URL,Connected On\nOther,Person,x,y\n", "Cours.csv": ""}
    body = await imported(resumes, user, files)
    assert told(body, "Kontakte.csv") == [(None, "It is left out: a CV has no place for what it holds.")]
    assert "Other" not in json.dumps(body)
    content = damaged(zipped({**EXPORT, "Unbekannt.csv": "Name\n" * 300}), "Unbekannt.csv")
    assert len((await imported(resumes, user, content))["skills"]) == 2


async def test_second_file_of_a_kind_is_ignored(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    files = {"Kenntnisse.csv": "Name\nSketching\n", **EXPORT}
    body = await imported(resumes, user, files)
    assert [skill["name"] for skill in body["skills"]] == ["Figma", "Typography"]
    assert told(body, "Kenntnisse.csv") == [(None, "It is left out: another file holds the same columns.")]


async def test_too_many_rows_are_truncated_and_reported(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    skills = "Name\n" + "".join(f"Skill {number}\n" for number in range(5000))
    body = await imported(resumes, user, {**EXPORT, "Skills.csv": skills})
    assert len(body["skills"]) == 200
    reasons = [reason for _, reason in told(body, "Skills.csv")]
    assert "Only its first 2000 rows are read." in reasons
    assert "It is left out: a section takes 200 entries." in reasons
    assert len(body["import_report"]) == 201


def with_flag(content: bytes, flag: int) -> bytes:
    """An archive whose first entry has a flag more, in both of its headers."""
    patched = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(signature) + offset
        struct.pack_into("<H", patched, at, struct.unpack_from("<H", patched, at)[0] | flag)
    return bytes(patched)


def with_link() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in EXPORT.items():
            archive.writestr(name, text)
        link = zipfile.ZipInfo("Education.csv")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return content.getvalue()


def claiming(size: int) -> bytes:
    """An archive whose directory says that the first file is so large."""
    content = bytearray(zipped({"Profile.csv": EXPORT["Profile.csv"]}))
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size)
    return bytes(content)


DAMAGED = "The file is not a ZIP archive, or it is damaged."
OUTSIDE = "The ZIP archive holds a path that leads outside of it."
BOMB = "The ZIP archive holds a file that is compressed beyond belief."
MEGABYTE = 2**20


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The submitted file is empty."),
        (b"PK\x03\x04 not really", DAMAGED),
        (b"%PDF-1.7", DAMAGED),
        (zipped(EXPORT)[:-40], DAMAGED),
        (damaged(zipped(EXPORT), "Positions.csv"), DAMAGED),
        (zipped(EXPORT, zipfile.ZIP_LZMA), "The ZIP archive is compressed in a way that is not read here."),
        (claiming(100), DAMAGED),
        (zipped({}), "The ZIP archive is not a LinkedIn data export: it holds none of its files."),
        (
            zipped({"holiday.jpg": b"\xff\xd8"}),
            "The ZIP archive is not a LinkedIn data export: it holds none of its files.",
        ),
        (with_flag(zipped(EXPORT), 0x1), "The ZIP archive is protected by a password."),
        (with_link(), "The ZIP archive holds a link or a device."),
        (zipped({**EXPORT, "../Profile.csv": "x"}), OUTSIDE),
        (zipped({**EXPORT, "a/../../Profile.csv": "x"}), OUTSIDE),
        (zipped({**EXPORT, "/etc/cron.d/x": "x"}), OUTSIDE),
        (zipped({**EXPORT, "C:\\Profile.csv": "x"}), OUTSIDE),
        (zipped({**EXPORT, "a\\..\\..\\x.csv": "x"}), OUTSIDE),
        (
            zipped({**EXPORT, "more.zip": zipped(EXPORT)}),
            "The ZIP archive holds another one. Upload the export as LinkedIn made it.",
        ),
        (zipped({**EXPORT, "Skills.csv": b"\0" * 10 * MEGABYTE}), BOMB),
        (zipped({**EXPORT, "bomb.bin": b"\0" * 10 * MEGABYTE}), BOMB),
        (claiming(0xFFFFFFF0), BOMB),
    ],
)
async def test_archives_that_are_refused(
    resumes: httpx.AsyncClient, user: dict[str, str], content: bytes, reason: str
) -> None:
    answer = await upload(resumes, user, content)
    assert (answer.status_code, answer.json()) == (400, {"file": [reason]})
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


@pytest.fixture(scope="session")
async def strict(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The service with small limits."""
    limits = {
        "IMPORT_FILE_LIMIT": str(MEGABYTE),
        "IMPORT_ARCHIVE_FILES": "10",
        "IMPORT_ARCHIVE_UNPACKED": str(MEGABYTE // 2),
        "IMPORT_ARCHIVE_READ": str(MEGABYTE // 8),
    }
    async with serving(app, {**environment, **limits}) as client:
        yield client


def noise(size: int) -> str:
    """So many characters that hardly compress."""
    return shake_256(b"noise").hexdigest(size // 2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped({"Profile.csv": noise(MEGABYTE)}, zipfile.ZIP_STORED), "The file may have at most 1 MB."),
        (zipped({f"{number}.csv": "Name\n" for number in range(11)}), "The ZIP archive holds more than 10 files."),
        (zipped({"a.txt": noise(MEGABYTE), **EXPORT}), "The ZIP archive is larger than 0.5 MB when unpacked."),
        (zipped({**EXPORT, "Skills.csv": f"Name\n{noise(MEGABYTE // 4)}"}), "Skills.csv is larger than 0.125 MB."),
    ],
)
async def test_limits_are_settings(
    strict: httpx.AsyncClient, user: dict[str, str], content: bytes, reason: str
) -> None:
    answer = await upload(strict, user, content)
    assert (answer.status_code, answer.json()) == (400, {"file": [reason]})


async def test_concurrent_uploads_are_all_imported(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    bodies = await asyncio.gather(*(imported(resumes, user, EXPORT) for _ in range(8)))
    assert len({body["id"] for body in bodies}) == 8
