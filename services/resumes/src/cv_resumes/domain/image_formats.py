"""Recognize unsupported image formats, so that error messages can name them."""

import re

_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "ICO": (b"\0\0\x01\0",),
    "PSD": (b"8BPS",),
}
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_MAX_BRANDS_SIZE = 256
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE\s+svg[^>]*>\s*)*<svg[\s>]", re.DOTALL
)
_SVG_PROLOG_SIZE = 4096


def unsupported_format(content: bytes) -> str | None:
    """Return the name of the image format of `content`, if it is a known one that is not supported."""
    for name, signatures in _SIGNATURES.items():
        if content.startswith(signatures):
            return name
    if content.startswith(b"BM") and content[6:10] == bytes(4):  # two letters alone could begin a text
        return "BMP"
    if content[4:8] == b"ftyp" and not _HEIF_BRANDS.isdisjoint(_brands(content)):
        return "HEIC"
    return "SVG" if _SVG.match(content[:_SVG_PROLOG_SIZE]) else None


def _brands(content: bytes) -> list[bytes]:
    """Return the major and the compatible brands of an ISO base media file (ISO/IEC 14496-12)."""
    size = min(int.from_bytes(content[:4]), _MAX_BRANDS_SIZE)
    return [content[8:12], *(content[at : at + 4] for at in range(16, size, 4))]
