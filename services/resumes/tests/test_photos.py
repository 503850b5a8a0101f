"""Photos: upload, conversion, download, replacement, removal, errors."""

import io
import struct
import zlib
from typing import Any

import httpx
import pytest
from PIL import Image

RESUME = {"template": "1", "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}
SECRET = b"GPS-SECRET"
NO_IMAGE = "Upload a valid image. The file you uploaded was either not an image or a corrupted image."


def not_accepted(name: str) -> str:
    return f"Upload a valid image. {name} is not an accepted format; upload a JPEG, PNG, WEBP or AVIF image."


def heif(major: bytes, *compatible: bytes) -> bytes:
    """The beginning of a HEIF file."""
    brands = major + bytes(4) + b"".join(compatible)
    return (8 + len(brands)).to_bytes(4) + b"ftyp" + brands + bytes(2000)


def picture(
    kind: str, mode: str = "RGB", size: tuple[int, int] = (60, 40), color: str = "red", **options: Any
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, kind, **options)
    return out.getvalue()


def with_metadata() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()  # ImageDescription
    exif[0x0112] = 6  # Orientation: lies on its side
    return picture("JPEG", exif=exif, comment=SECRET) + b"<script>" + SECRET


def bomb() -> bytes:
    """A PNG of a few kilobytes that claims 13,000 x 13,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 13_000, 13_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 1626 * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


async def upload(resumes: httpx.AsyncClient, user: dict[str, str], content: bytes) -> httpx.Response:
    return await resumes.post("/api/resumes/", data=RESUME, files={"photo": ("me.jpg", content)}, headers=user)


async def fetch(resumes: httpx.AsyncClient, url: str) -> httpx.Response:
    assert url.startswith("http://localhost:8000/media/resumes/photos/")
    return await resumes.get(url.removeprefix("http://localhost:8000"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (picture("JPEG"), "image/jpeg"),
        (picture("PNG"), "image/jpeg"),
        (picture("PNG", "RGBA"), "image/jpeg"),
        (picture("PNG", "RGBA", color="#ff0000fe"), "image/png"),
        (picture("PNG", "LA", color="#80808000"), "image/png"),
        (picture("WEBP"), "image/jpeg"),
        (picture("AVIF"), "image/jpeg"),
        (picture("AVIF", "RGBA", color="#ff000080"), "image/png"),
        (picture("JPEG", "CMYK"), "image/jpeg"),
    ],
)
async def test_photo_is_served_at_the_url_of_the_resume(
    resumes: httpx.AsyncClient, user: dict[str, str], content: bytes, kind: str
) -> None:
    answer = await upload(resumes, user, content)
    assert answer.status_code == 201, answer.text
    shown = await fetch(resumes, answer.json()["photo"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, kind)
    assert shown.headers["cache-control"] == "private, no-store"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert Image.open(io.BytesIO(shown.content)).size == (60, 40)
    path = answer.json()["photo"].removeprefix("http://localhost:8000")
    part = await resumes.get(path, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, shown.content[:10])
    assert part.headers["cache-control"] == "private, no-store"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"II*\0", b"II*\0\x08\0\0\0\xff\xff", b"nonsense", b"MM\0*\xff\xff\xff\xff"])
async def test_invalid_photo_metadata_is_ignored(
    resumes: httpx.AsyncClient, user: dict[str, str], kind: str, exif: bytes
) -> None:
    answer = await upload(resumes, user, picture(kind, exif=b"Exif\0\0" + exif, dpi=(72, 72)))
    assert answer.status_code == 201, answer.text
    shown = await fetch(resumes, answer.json()["photo"])
    assert Image.open(io.BytesIO(shown.content)).size == (60, 40)


async def test_stored_photo_is_upright_and_without_metadata(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    assert SECRET in with_metadata()
    shown = await fetch(resumes, (await upload(resumes, user, with_metadata())).json()["photo"])
    assert SECRET not in shown.content
    image = Image.open(io.BytesIO(shown.content))
    assert (image.size, dict(image.getexif())) == ((40, 60), {})


async def test_large_photo_is_reduced(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    shown = await fetch(resumes, (await upload(resumes, user, picture("JPEG", size=(4800, 2400)))).json()["photo"])
    assert Image.open(io.BytesIO(shown.content)).size == (600, 300)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The submitted file is empty."),
        (b"not a picture", NO_IMAGE),
        (b"<html><svg></svg></html>", NO_IMAGE),
        (b"BMW", NO_IMAGE),
        (heif(b"mif1", b"avif"), NO_IMAGE),
        (picture("JPEG", size=(800, 800))[:2000], NO_IMAGE),
        (picture("AVIF", size=(800, 800))[:-9], NO_IMAGE),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', not_accepted("SVG")),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', not_accepted("SVG")),
        (picture("GIF"), not_accepted("GIF")),
        (picture("BMP"), not_accepted("BMP")),
        (picture("TIFF"), not_accepted("TIFF")),
        (heif(b"heic", b"mif1", b"heic"), not_accepted("HEIC")),
        (heif(b"mif1", b"miaf", b"heix"), not_accepted("HEIC")),
        (bomb(), "The photo may have at most 25 megapixels."),
        (b"\xff\xd8" + b"\x00" * (5 * 1024 * 1024), "The photo may have at most 5 MB."),
    ],
    ids=[
        "empty",
        "text",
        "page",
        "letters of bmp",
        "no avif",
        "truncated",
        "truncated avif",
        "svg",
        "svg with prolog",
        "gif",
        "bmp",
        "tiff",
        "heic",
        "heic by compatible brand",
        "bomb",
        "heavy",
    ],
)
async def test_files_that_are_no_photo_are_refused(
    resumes: httpx.AsyncClient, user: dict[str, str], content: bytes, message: str
) -> None:
    answer = await upload(resumes, user, content)
    assert (answer.status_code, answer.json()) == (400, {"photo": [message]})
    assert (await resumes.get("/api/resumes/", headers=user)).json() == []


async def test_photo_is_replaced_kept_and_removed(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    created = (await upload(resumes, user, picture("JPEG"))).json()
    path, first = f"/api/resumes/{created['id']}/", created["photo"]
    kept = await resumes.patch(path, json={"photo": first, "title": "Même photo"}, headers=user)
    assert (kept.status_code, kept.json()["photo"]) == (200, first)
    replaced = await resumes.patch(path, files={"photo": ("b.png", picture("PNG"))}, headers=user)
    second = replaced.json()["photo"]
    assert second != first
    assert (await fetch(resumes, first)).status_code == 404
    assert (await fetch(resumes, second)).status_code == 200
    removed = await resumes.patch(path, json={"photo": None}, headers=user)
    assert removed.json()["photo"] is None
    assert (await fetch(resumes, second)).status_code == 404


@pytest.mark.parametrize(
    "photo", ["", "http://localhost:8000/media/resumes/photos/other.jpg", "/media/resumes/photos/x.jpg", 7, ["x"]]
)
async def test_photo_field_refuses_anything_but_a_file(
    resumes: httpx.AsyncClient, user: dict[str, str], photo: Any
) -> None:
    created = (await upload(resumes, user, picture("JPEG"))).json()
    answer = await resumes.patch(f"/api/resumes/{created['id']}/", json={"photo": photo}, headers=user)
    assert (answer.status_code, answer.json()) == (
        400, {"photo": ["The submitted data was not a file. Check the encoding type on the form."]},
    )  # fmt: skip


async def test_photo_is_sent_to_the_renderer_and_deleted_with_its_resume(
    resumes: httpx.AsyncClient, user: dict[str, str], fake_services: Any
) -> None:
    created = (await upload(resumes, user, picture("JPEG"))).json()
    await resumes.post(f"/api/resumes/{created['id']}/export_pdf/", json={}, headers=user)
    assert fake_services[0].rendered[-1]["photo"]
    assert (await resumes.delete(f"/api/resumes/{created['id']}/", headers=user)).status_code == 204
    assert (await fetch(resumes, created["photo"])).status_code == 404


@pytest.mark.parametrize("name", ["unknown.jpg", "..%2f..%2fsecrets.json", "%2e%2e/x", "x"])
async def test_guessed_names_are_not_found(resumes: httpx.AsyncClient, name: str) -> None:
    answer = await resumes.get(f"/media/resumes/photos/{name}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
