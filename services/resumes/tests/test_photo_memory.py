"""A photo within the limits takes a bounded part of the service's memory, whatever its kind; and one at a time does.

The memory of the container is sized by these figures: see `resumes` in docker-compose.yml.
"""

import asyncio
import io
import resource
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable

import httpx
import pytest
from cv_resumes.domain.photos import TOO_COMPLEX, rewrite_photo
from PIL import Image

from services.resumes.tests.test_photos import picture, upload

MIB = 2**20
CODE = "import sys; from cv_resumes.domain.photos import rewrite_photo; rewrite_photo(sys.stdin.buffer.read())"
TEN_TIMES = """
import gc, sys
from cv_resumes.domain.photos import TOO_LARGE, BadPhoto, rewrite_photo
gc.disable()
content = sys.stdin.buffer.read()
for _ in range(10):
    try:
        rewrite_photo(content)
    except BadPhoto as refusal:
        assert str(refusal) == TOO_LARGE
"""


def png(width: int, height: int, kind: int, bits: int, *more: tuple[bytes, bytes], interlaced: bool = False) -> bytes:
    """A PNG whose every byte is 120, written here because Pillow writes neither 16 bits of colour nor interlaced."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    steps = [(8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2)] if interlaced else [(1, 1)]
    packer = zlib.compressobj(1)
    pixels = b"".join(
        packer.compress((b"\0" + b"x" * (width // across * channels * bits // 8)) * (height // down))
        for across, down in steps
    )
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    chunks = [(b"IHDR", header), *more, (b"IDAT", pixels + packer.flush()), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in chunks)


def complaint(content: bytes, memory: int, code: str = CODE) -> str:
    """What a process of so many MB says of a photo that it rewrites: nothing, when all is well."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory * MIB, memory * MIB))

    done = subprocess.run([sys.executable, "-c", code], input=content, preexec_fn=limit, capture_output=True)
    return done.stderr.decode()


PICTURES: dict[str, tuple[int, Callable[[], bytes]]] = {
    "JPEG": (128, lambda: picture("JPEG", size=(6000, 4000))),
    "progressive JPEG": (256, lambda: picture("JPEG", size=(6000, 4000), progressive=True, subsampling=0)),
    "progressive JPEG, 4 colours": (280, lambda: picture("JPEG", "CMYK", (5000, 5000), progressive=True)),
    "PNG, 3 x 8 bits": (192, lambda: png(5000, 5000, 2, 8)),
    "PNG, 4 x 8 bits": (192, lambda: png(5000, 5000, 6, 8)),
    "PNG, 4 x 16 bits": (192, lambda: png(5000, 5000, 6, 16)),
    "PNG, one colour is none": (192, lambda: png(5000, 5000, 2, 8, (b"tRNS", b"\0x\0x\0x"))),
    "PNG, palette": (192, lambda: png(5000, 5000, 3, 8, (b"PLTE", bytes(768)), (b"tRNS", bytes(256)))),
    "PNG, 16 bits of grey": (192, lambda: png(5000, 5000, 0, 16)),
    "PNG, interlaced": (192, lambda: png(5000, 5000, 6, 8, interlaced=True)),
    "PNG, as long as can be": (256, lambda: png(65_500, 381, 6, 8)),
    "WEBP": (480, lambda: picture("WEBP", size=(5000, 5000), method=0)),
    "AVIF": (512, lambda: picture("AVIF", size=(5000, 5000), speed=10)),
    "AVIF, with alpha and all of its colors": (
        512,
        lambda: picture("AVIF", "RGBA", (5000, 5000), "#ff000080", speed=10, subsampling="4:4:4"),
    ),
    "WEBP, lossless": (480, lambda: picture("WEBP", "RGBA", (5000, 5000), method=0, lossless=True)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_photo_of_25_megapixels_stays_within_the_memory_limit(name: str) -> None:
    memory, make = PICTURES[name]
    assert complaint(make(), memory) == ""


@pytest.mark.parametrize("limit", ["MEMORY_BYTES = 64 * 2**20", "CPU_SECONDS = 0"])
async def test_photo_that_exceeds_the_process_limits_is_refused(
    resumes: httpx.AsyncClient, user: dict[str, str], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    code = f"from cv_resumes.actions import decoding; decoding.{limit}; decoding._main()"
    monkeypatch.setattr("cv_resumes.actions.decoding._COMMAND", (sys.executable, "-I", "-c", code))
    answer = await upload(resumes, user, png(5000, 5000, 6, 8))
    assert (answer.status_code, answer.json()) == (400, {"photo": [TOO_COMPLEX]})


def test_refused_photo_frees_its_memory() -> None:
    too_large = picture("WEBP", size=(16_383, 1_527), lossless=True, method=0)
    assert complaint(too_large, 480, TEN_TIMES) == ""


@pytest.mark.parametrize("size", [(1, 25_000_000), (25_000_000, 1), (65_501, 1)])
async def test_too_long_photo_is_refused(
    resumes: httpx.AsyncClient, user: dict[str, str], size: tuple[int, int]
) -> None:
    answer = await upload(resumes, user, png(*size, 0, 8))
    assert (answer.status_code, answer.json()) == (
        400, {"photo": ["The photo may have at most 65,500 pixels a side."]},
    )  # fmt: skip


async def test_compressed_texts_in_a_photo_are_limited(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    text = b"a\0\0" + zlib.compress(bytes(MIB))
    answer = await upload(resumes, user, png(8, 8, 2, 8, *[(b"zTXt", text)] * 6))
    assert answer.status_code == 400


async def test_photo_without_its_palette_is_refused(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    answer = await upload(resumes, user, png(8, 8, 3, 8))
    assert answer.status_code == 400
    assert answer.json()["photo"][0].startswith("Upload a valid image.")


async def test_16_bit_gray_stays_gray(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    out = io.BytesIO()
    Image.new("I;16", (60, 40), 40_000).save(out, "PNG")
    url = (await upload(resumes, user, out.getvalue())).json()["photo"]
    shown = Image.open(io.BytesIO((await resumes.get(url.removeprefix("http://localhost:8000"))).content))
    assert shown.getpixel((30, 20)) == (155, 155, 155)


async def test_photos_are_decoded_one_at_a_time_with_a_timeout(
    resumes: httpx.AsyncClient, user: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slowly(content: bytes) -> tuple[bytes, str]:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)
        return rewrite_photo(content)

    monkeypatch.setattr("cv_resumes.actions.photos.rewrite_photo", slowly)
    monkeypatch.setattr("cv_resumes.actions.photos._DECODER_WAIT_SECONDS", 0.1)
    first = asyncio.create_task(upload(resumes, user, picture("JPEG")))
    await begun.wait()
    refused = await upload(resumes, user, picture("JPEG"))
    go_on.set()

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert refused.json() == {"detail": "Service temporarily unavailable, try again later."}
    assert (await first).status_code == 201
    assert (await upload(resumes, user, picture("JPEG"))).status_code == 201
