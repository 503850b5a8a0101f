"""Forms of browsers and curl are read as DRF reads them."""

import io
from typing import Any

import httpx
import pytest
from PIL import Image

MINIMUM = {"template": "1", "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}
JOB = {"company": "Acme", "position": "Dev", "start_date": "2020-01-01"}
WRONG_DATE = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
NO_FILE_CHOSEN = (
    b'--BB\r\nContent-Disposition: form-data; name="photo"; filename=""\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\r\n"
)
MULTIPART = "multipart/form-data; boundary=BB"


@pytest.fixture
async def path(resumes: httpx.AsyncClient, user: dict[str, str]) -> str:
    """Of a resume with a photo."""
    picture = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(picture, "PNG")
    files = {"photo": ("me.png", picture.getvalue())}
    answer = await resumes.post("/api/resumes/", data=MINIMUM, files=files, headers=user)
    assert answer.status_code == 201, answer.text
    return f"/api/resumes/{answer.json()['id']}/"


def part(name: str, content: str) -> bytes:
    return f'--BB\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n'.encode()


async def test_form_field_names_with_unescaped_letters(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str
) -> None:
    headers = {**user, "Content-Type": "application/x-www-form-urlencoded"}
    for content in ("full_name=José".encode(), b"full_name=Jos%C3%A9"):
        answer = await resumes.patch(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["full_name"]) == (200, "José")


@pytest.mark.parametrize("section", ["languages_data", "certifications_data", "projects_data", "custom_sections"])
async def test_free_entry_refuses_a_file_as_a_further_key(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str, section: str
) -> None:
    first = {"languages_data": "language", "custom_sections": "title"}.get(section, "name")
    form = {f"{section}[0]{first}": "x"}
    answer = await resumes.patch(path, data=form, files={f"{section}[0]x": ("hostname", b"secret")}, headers=user)
    errors = [{"non_field_errors": ["Value must be valid JSON."]}]
    assert (answer.status_code, answer.json()) == (400, {section: errors})


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("full_name", "Not a valid string."),
        ("website", "Enter a valid URL."),
        ("template", "Incorrect type. Expected pk value, received UploadedFile."),
    ],
)
async def test_text_and_id_fields_refuse_a_file(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str, field: str, message: str
) -> None:
    answer = await resumes.patch(path, files={field: ("hostname", b"secret")}, headers=user)
    assert (answer.status_code, answer.json()) == (400, {field: [message]})


@pytest.mark.parametrize("charset", ["undefined", "punycode", "zlib"])
async def test_unknown_charset_is_refused(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str, charset: str
) -> None:
    headers = {**user, "Content-Type": f"{MULTIPART}; charset={charset}"}
    for method, where in (("POST", "/api/resumes/"), ("PATCH", path), ("POST", "/api/resumes/import_linkedin/")):
        answer = await resumes.request(method, where, content=part("title", "x") + b"--BB--\r\n", headers=headers)
        expected = {"detail": f'Unsupported charset "{charset}" in request Content-Type header.'}
        assert (answer.status_code, answer.json()) == (400, expected), where


async def test_untouched_file_input_keeps_the_photo(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str
) -> None:
    """A browser sends such a part whenever a form with a file input is submitted and no file was chosen."""
    headers = {**user, "Content-Type": MULTIPART}
    fields = b"".join(part(name, value) for name, value in MINIMUM.items())
    created = await resumes.post("/api/resumes/", content=fields + NO_FILE_CHOSEN + b"--BB--\r\n", headers=headers)
    assert (created.status_code, created.json()["photo"]) == (201, None)
    stored = (await resumes.get(path, headers=user)).json()["photo"]
    assert stored is not None
    content = part("title", "x") + NO_FILE_CHOSEN + b"--BB--\r\n"
    changed = await resumes.patch(path, content=content, headers=headers)
    assert (changed.status_code, changed.json()["title"], changed.json()["photo"]) == (200, "x", stored)


@pytest.mark.parametrize("content", [part("photo", ""), part("photo", "") + NO_FILE_CHOSEN])
async def test_empty_text_part_removes_the_photo(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str, content: bytes
) -> None:
    headers = {**user, "Content-Type": MULTIPART}
    changed = await resumes.patch(path, content=content + b"--BB--\r\n", headers=headers)
    assert (changed.status_code, changed.json()["photo"]) == (200, None)


async def test_chosen_file_wins_over_an_untouched_file_input(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str
) -> None:
    before = (await resumes.get(path, headers=user)).json()["photo"]
    chosen = part("photo", "no image").replace(b'"photo"', b'"photo"; filename="me.jpg"')
    answer = await resumes.patch(
        path, content=chosen + NO_FILE_CHOSEN + b"--BB--\r\n", headers={**user, "Content-Type": MULTIPART}
    )
    assert answer.status_code == 400
    assert answer.json()["photo"][0].startswith("Upload a valid image.")
    assert (await resumes.get(path, headers=user)).json()["photo"] == before


@pytest.mark.parametrize("disposition", ['name="file"; filename=""', 'name="file"'])
async def test_import_without_a_chosen_file_uses_the_url(
    resumes: httpx.AsyncClient, user: dict[str, str], disposition: str
) -> None:
    no_file = f"--BB\r\nContent-Disposition: form-data; {disposition}\r\n\r\n\r\n".encode()
    where, headers = "/api/resumes/import_linkedin/", {**user, "Content-Type": MULTIPART}
    address = part("linkedin_url", "x")
    for fields, message in ((b"", "This field is required."), (address, "Invalid LinkedIn URL format.")):
        answer = await resumes.post(where, content=fields + no_file + b"--BB--\r\n", headers=headers)
        assert (answer.status_code, answer.json()) == (400, {"linkedin_url": [message]})


async def test_last_field_of_a_body_without_final_boundary_is_read(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str
) -> None:
    content = part("title", "first") + part("summary", "last").removesuffix(b"\r\n")
    answer = await resumes.patch(path, content=content, headers={**user, "Content-Type": MULTIPART})
    assert (answer.status_code, answer.json()["title"], answer.json()["summary"]) == (200, "first", "last")


@pytest.mark.parametrize(
    ("emptied", "errors"),
    [
        ("is_current", None),
        ("end_date", None),
        ("order", None),
        ("start_date", [{"start_date": [WRONG_DATE]}]),
        ("company", [{"company": ["This field may not be blank."]}]),
    ],
)
async def test_empty_form_fields_of_an_entry(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str, emptied: str, errors: Any
) -> None:
    form = {f"experience_data[0]{name}": value for name, value in (JOB | {emptied: ""}).items()}
    answer = await resumes.patch(path, data=form, headers=user)
    if errors is None:
        (job,) = answer.json()["experiences"]
        assert (job["company"], job["is_current"], job["end_date"], job["order"]) == ("Acme", False, None, 0)
    else:
        assert (answer.status_code, answer.json()) == (400, {"experience_data": errors})


@pytest.mark.parametrize("template", [1.0, 1.5, " 1", "+1", "\u0661"])
async def test_template_ids_that_django_accepts(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str, template: Any
) -> None:
    answer = await resumes.patch(path, json={"template": template}, headers=user)
    assert (answer.status_code, answer.json()["template"]) == (200, 1)


@pytest.mark.parametrize("template", ["1_0", 99.5, " 99 ", "+4", 4.0])
async def test_error_repeats_the_template_id_as_it_was_sent(
    resumes: httpx.AsyncClient, user: dict[str, str], path: str, template: Any
) -> None:
    expected = {"template": [f'Invalid pk "{template}" - object does not exist.']}
    for method, where in (("POST", "/api/resumes/"), ("PATCH", path)):
        answer = await resumes.request(method, where, json={**MINIMUM, "template": template}, headers=user)
        assert (answer.status_code, answer.json()) == (400, expected), method
