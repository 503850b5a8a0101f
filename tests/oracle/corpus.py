"""Invalid bodies: a valid body with one value replaced or removed, for each place and each kind of value."""

import copy
from collections.abc import Iterator
from itertools import groupby
from typing import Any

RESUME: dict[str, Any] = {
    "template": 2,
    "full_name": "Marie Dubois",
    "email": "marie.dubois@example.com",
    "phone": "+33699887766",
    "address": "45 Avenue des Champs-Élysées, 75008 Paris",
    "website": "https://mariedubois.fr",
    "linkedin_url": "https://linkedin.com/in/mariedubois",
    "github_url": "https://github.com/mariedubois",
    "title": "Chef de Projet Digital",
    "summary": "Chef de projet avec 7 ans d'expérience",
    "experience_data": [
        {"company": "Digital Agency", "position": "Chef de Projet", "start_date": "2020-03-01"},
        {
            "company": "Digital Agency",
            "position": "Chef de Projet Senior",
            "location": "Paris, France",
            "start_date": "2020-03-01",
            "end_date": "2021-03-01",
            "is_current": True,
            "description": "Gestion de projets web complexes",
            "order": 0,
        },
    ],
    "education_data": [
        {
            "institution": "ESSEC Business School",
            "degree": "MBA",
            "field_of_study": "Marketing Digital",
            "location": "Cergy, France",
            "start_date": "2015-09-01",
            "end_date": "2017-06-30",
            "is_current": False,
            "grade": "Distinction",
            "description": None,
            "order": 0,
        }
    ],
    "skills_data": [{"name": "Gestion de projet", "level": "expert", "category": "Management", "order": 0}],
    "languages_data": [{"language": "Français", "level": "Natif"}],
    "certifications_data": [{"name": "PMP Certification", "issuer": "PMI", "date": "2019-11-20"}],
    "projects_data": [{"name": "Refonte", "description": "Site e-commerce", "url": "https://example.com/refonte"}],
    "custom_sections": [{"title": "Bénévolat", "content": "Membre actif"}],
}

REGISTER: dict[str, Any] = {
    "username": "jim_dean",
    "email": "jim.dean@example.com",
    "password": "SecurePass123!",
    "password2": "SecurePass123!",
    "first_name": "Jim",
    "last_name": "Dean",
    "phone": "+33612345678",
}

SPOILT: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, 2_147_483_648, 10**30, "", " ", "0", "x", "true", "1", "1.0", "none@", "a@b",
    "é@exämple.fr", "http://", "http://a b", "ftp://example.com", "//example.com", "javascript:alert(1)",
    "https://user@example.com:99999/", "2024-02-30", "2024-1-1", "2024-01-01T00:00:00", "guru", "Expert",
    "nul\x00", "lone \ud800", "👩‍💻", "‮abc", "<b>", "x" * 201, "x" * 10_001, [], ["x"], [[]], [None], [1, "x"],
    {}, {"x": 1}, [{}], [{"x": 1}],
)  # fmt: skip

PASSWORDS = (
    "password", "12345678", "short1!", "jim_dean1", "jim.dean@example.com", "1234567890123", "qwertyuiop",
    "Passw0rd", "JIM_DEAN", "iloveyou", "aaaaaaaa", "Tr0ub4dor&3", "letmein123", " spaces ", "é" * 8,
)  # fmt: skip


URLENCODED, JSON = "application/x-www-form-urlencoded", "application/json"
MULTIPART = "multipart/form-data; boundary=BB"
END = b"--BB--\r\n"
JOB = {"company": "Acme", "position": "Dev", "start_date": "2020-01-01"}


def part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    """Return one part of a multipart body."""
    file = "" if file_name is None else f'; filename="{file_name}"'
    return f'--BB\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def raw_bodies() -> Iterator[tuple[bytes, str]]:
    """Raw bodies with their content types: encodings, charsets, empty fields, misplaced files."""
    for title in ("José 漢".encode(), b"Jos%C3%A9+x", b"Jos\xe9", b"Jos%e9", b"a&title=b", b"a;b", b""):
        yield b"title=" + title, URLENCODED
        yield part("title", title) + END, MULTIPART
    for charset in ("utf-8", "iso-8859-1", "undefined", "zlib", "rot13", "bogus", ""):
        yield b"title=Jos\xe9", f"{URLENCODED}; charset={charset}"
        yield part("title", b"Jos\xe9") + END, f"{MULTIPART}; charset={charset}"
        yield b'{"title": "Jos\xe9"}', f"{JSON}; charset={charset}"
    for name in RESUME:
        yield f"{name}=".encode(), URLENCODED
        if not isinstance(RESUME[name], list):  # DRF ignores a file in place of a section
            yield part(name, b"", "") + END, MULTIPART
    for name in (*JOB, "end_date", "is_current", "order", "location"):
        job = {f"experience_data[0]{field}": value for field, value in (JOB | {name: ""}).items()}
        yield "&".join(f"{field}={value}" for field, value in job.items()).encode(), URLENCODED
        held = b"".join(part(field, value.encode()) for field, value in job.items())
        yield held + part(f"experience_data[0]{name}", b"x", "x.txt") + END, MULTIPART
    for name in ("full_name", "email", "website", "title"):
        yield part(name, b"x", "x.txt") + END, MULTIPART
    yield part("photo", b"x", "x.txt") + part("photo", b"x") + END, MULTIPART
    yield part("title", b"x") + part("photo", b"", "") + END, MULTIPART
    yield part("title", b"x") + part("full_name", b"no end").removesuffix(b"\r\n"), MULTIPART
    for boundary in ("", "; boundary=", '; boundary="B "'):
        yield part("title", b"x") + END, f"multipart/form-data{boundary}"


def vary(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Bodies that differ from `body` in one place: removed, or with another value."""
    for path in _places(body):
        yield _without(body, path)
        for value in SPOILT:
            yield _with(body, value, path)


def vary_together(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Bodies that differ from `body` in all places of one depth: fields, entries, or fields of entries."""
    for _, paths in groupby(sorted(_places(body), key=len), key=len):
        together = list(paths)
        yield _without(body, *together)
        for value in SPOILT:
            yield _with(body, value, *together)


def ended_before_it_began() -> Iterator[dict[str, Any]]:
    """Yield the rule between two fields, alone and together with another error."""
    for section in ("experience_data", "education_data"):
        late = _with(RESUME, "2001-01-01", (section, len(RESUME[section]) - 1, "end_date"))
        yield late
        yield _with(late, "x", (section, len(RESUME[section]) - 1, "order"))


def with_password(password: str) -> dict[str, Any]:
    return {**REGISTER, "password": password, "password2": password}


Path = tuple[str | int, ...]


def _places(body: dict[str, Any]) -> Iterator[Path]:
    for name, value in body.items():
        yield (name,)
        if isinstance(value, list):
            last = len(value) - 1
            yield (name, last)
            yield from ((name, last, key) for key in value[last])


def _with(body: dict[str, Any], value: Any, *paths: Path) -> dict[str, Any]:
    spoilt = copy.deepcopy(body)
    for path in paths:
        _holder(spoilt, path)[path[-1]] = value
    return spoilt


def _without(body: dict[str, Any], *paths: Path) -> dict[str, Any]:
    spoilt = copy.deepcopy(body)
    for path in paths:
        del _holder(spoilt, path)[path[-1]]
    return spoilt


def _holder(body: Any, path: Path) -> Any:
    for step in path[:-1]:
        body = body[step]
    return body
