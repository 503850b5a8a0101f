"""Colors of a photo are converted to sRGB by its profile. An unusable profile is ignored."""

import io
import itertools
import struct
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from services.resumes.tests.test_photo_memory import png
from services.resumes.tests.test_photos import fetch, upload

SKIN = (180, 121, 91)
SKIN_IN_SRGB = (192, 118, 84)
CMYK = (0, 100, 150, 40)


def icc(space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", connection: bytes = b"XYZ ") -> bytes:
    """An ICC profile of version 2."""
    at, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    white = struct.pack(">iii", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    header = (
        struct.pack(">I4sI4s4s4s12s4s", 128 + len(table) + len(data), b"test", 0x02100000, kind, space, connection,
                    bytes(12), b"acsp") + bytes(28) + white
    )  # fmt: skip
    return header.ljust(128, b"\0") + table + data


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(value * 65536) for value in values))


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


WHITE = xyz(0.9642, 1.0, 0.8249)
DISPLAY_P3 = icc(
    b"RGB ",
    {
        b"wtpt": WHITE,
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(2.2)),
    },
)
GRAY = icc(b"GRAY", {b"wtpt": WHITE, b"kTRC": gamma(1.0)})
# The colors, in Lab, of no ink and of all combinations of full inks: yellow is printed as green.
_INKS = [
    (0, 128, 128) if black else (200, 88, 168) if yellow else (255, 128, 128)
    for _cyan, _magenta, yellow, black in itertools.product((0, 1), repeat=4)
]
GREEN_INK = icc(
    b"CMYK",
    {
        b"wtpt": WHITE,
        # lut8Type with 4 inputs, 3 outputs, 2 grid points and tables that change nothing.
        b"A2B0": b"mft1\0\0\0\0\4\3\2\0"
        + struct.pack(">9i", *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
        + bytes(range(256)) * 4
        + b"".join(map(bytes, _INKS))
        + bytes(range(256)) * 3,
    },
    b"prtr",
    b"Lab ",
)


def picture(kind: str, mode: str, color: Any, profile: bytes | None, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (60, 40), color).save(out, kind, icc_profile=profile, **options)
    return out.getvalue()


def png_with(chunk: bytes) -> bytes:
    """A PNG in the color of skin with `chunk` as its iCCP."""
    plain = picture("PNG", "RGB", SKIN, None)
    whole = struct.pack(">I", len(chunk)) + b"iCCP" + chunk + struct.pack(">I", zlib.crc32(b"iCCP" + chunk))
    return plain[:33] + whole + plain[33:]


async def pixel(resumes: httpx.AsyncClient, user: dict[str, str], content: bytes) -> Any:
    """What of the photo's middle can be seen, and that no profile came along."""
    answer = await upload(resumes, user, content)
    assert answer.status_code == 201, answer.text
    shown = Image.open(io.BytesIO((await fetch(resumes, answer.json()["photo"])).content))
    assert "icc_profile" not in shown.info
    return shown.getpixel((30, 20))


def is_close(found: Any, expected: tuple[int, ...], tolerance: int = 3) -> bool:
    return len(found) == len(expected) and all(abs(a - b) <= tolerance for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (picture("JPEG", "RGB", SKIN, DISPLAY_P3, quality=98), SKIN_IN_SRGB),
        (picture("PNG", "RGB", SKIN, DISPLAY_P3), SKIN_IN_SRGB),
        (picture("WEBP", "RGB", SKIN, DISPLAY_P3, lossless=True), SKIN_IN_SRGB),
        (picture("AVIF", "RGB", SKIN, DISPLAY_P3, quality=95), SKIN_IN_SRGB),
        (picture("PNG", "RGBA", (*SKIN, 99), DISPLAY_P3), (*SKIN_IN_SRGB, 99)),
        (picture("PNG", "P", 0, DISPLAY_P3), (0, 0, 0)),
        (picture("JPEG", "L", 128, GRAY), (188, 188, 188)),
        (picture("PNG", "LA", (128, 99), GRAY), (188, 188, 188, 99)),
        (picture("PNG", "I;16", 128 * 257, GRAY), (188, 188, 188)),
        (picture("JPEG", "CMYK", (0, 0, 255, 0), GREEN_INK, quality=98), (131, 213, 115)),
    ],
    ids=["jpeg", "png", "webp", "avif", "alpha", "palette", "gray", "gray and alpha", "16 bits of gray", "cmyk"],
)
async def test_colors_are_converted(
    resumes: httpx.AsyncClient, user: dict[str, str], content: bytes, expected: tuple[int, ...]
) -> None:
    assert is_close(await pixel(resumes, user, content), expected)


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        DISPLAY_P3[:200],
        DISPLAY_P3[:128] + b"\xff" * 400,
        DISPLAY_P3.ljust(5_000_000, b"\0")[:4_900_000],
        GRAY,
        GREEN_INK,
        icc(b"RGB ", {}),
        icc(b"RGB ", {b"rXYZ": b"", b"gXYZ": b"", b"bXYZ": b"", b"rTRC": b"", b"gTRC": b"", b"bTRC": b""}),
        icc(b"RGB ", {b"A2B0": b"mAB \0\0\0\0\3\3\0\0" + b"\xff" * 20}),
        icc(b"RGB ", {b"D2B0": b"mpet\0\0\0\0\0\3\0\3\xff\xff\xff\xff"}),
        DISPLAY_P3.replace(b"mntr", b"link"),
    ],
    ids=["text", "cut", "no tags", "huge", "gray", "cmyk", "empty", "empty tags", "bad table", "chain", "link"],
)
async def test_unusable_color_profile_is_ignored(
    resumes: httpx.AsyncClient, user: dict[str, str], profile: bytes
) -> None:
    assert is_close(await pixel(resumes, user, picture("JPEG", "RGB", SKIN, profile, quality=98)), SKIN)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
async def test_broken_color_profile_is_ignored_in_each_format(
    resumes: httpx.AsyncClient, user: dict[str, str], kind: str
) -> None:
    assert (await upload(resumes, user, picture(kind, "RGB", SKIN, b"no profile"))).status_code == 201


@pytest.mark.parametrize(
    "chunk",
    [
        b"", b"x", b"x\0", b"x\0\1abc", b"x\0\0abc", b"x\0\0" + zlib.compress(bytes(9_000_000)),
        b"x\0\0" + zlib.compress(DISPLAY_P3)[:-9],
    ],
    ids=["empty", "only a name", "no method", "unknown method", "no stream", "bomb", "cut"],
)  # fmt: skip
async def test_broken_color_profile_of_a_png_is_ignored(
    resumes: httpx.AsyncClient, user: dict[str, str], chunk: bytes
) -> None:
    assert (await upload(resumes, user, png_with(chunk))).status_code == 201


@pytest.mark.parametrize(
    "make",
    [
        lambda: picture("JPEG", "CMYK", CMYK, None, quality=98),
        lambda: picture("JPEG", "CMYK", CMYK, DISPLAY_P3, quality=98),
    ],
)
async def test_cmyk_without_a_profile_is_converted(
    resumes: httpx.AsyncClient, user: dict[str, str], make: Callable[[], bytes]
) -> None:
    expected = Image.new("CMYK", (1, 1), CMYK).convert("RGB").getpixel((0, 0))
    assert isinstance(expected, tuple)
    assert is_close(await pixel(resumes, user, make()), expected)


async def test_colors_of_16_bits_are_converted(resumes: httpx.AsyncClient, user: dict[str, str]) -> None:
    profile = b"x\0\0" + zlib.compress(GRAY)
    content = png(60, 40, 0, 16, (b"iCCP", profile))  # 0x7878 everywhere
    assert is_close(await pixel(resumes, user, content), (182, 182, 182))
