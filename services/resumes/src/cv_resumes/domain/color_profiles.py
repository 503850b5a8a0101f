"""ICC color profiles: colors are converted to sRGB, which browsers and PDF readers assume without a profile.

Profiles are untrusted, so only profiles that can be evaluated in bounded time are used. Others are ignored, as if the
photo had none.
"""

import zlib
from io import BytesIO

from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""Profiles of printers have up to 3 MB."""

_PNG = b"\x89PNG\r\n\x1a\n"
_SPACES = {b"RGB ": {"RGB", "RGBA", "RGBX", "P", "PA"}, b"GRAY": {"1", "L", "LA", "I", "I;16"}, b"CMYK": {"CMYK"}}
_CLASSES = {b"scnr", b"mntr", b"prtr", b"spac"}
_MAX_TAGS = 100
_SRGB = ImageCms.createProfile("sRGB")


def profile_for(mode: str, raw: bytes | None) -> ImageCms.ImageCmsProfile | None:
    """Return the profile in `raw`, if it can be used for pixels of `mode`."""
    if not raw or not 128 < len(raw) <= MAX_PROFILE_BYTES or raw[36:40] != b"acsp":
        return None
    if raw[12:16] not in _CLASSES or mode not in _SPACES.get(raw[16:20], ()):
        return None
    tags = [raw[at : at + 4] for at in range(132, 132 + 12 * min(_MAX_TAGS, int.from_bytes(raw[128:132])), 12)]
    if any(tag.startswith(b"D2B") for tag in tags):  # a chain of any length (ICC.1:2010, multiProcessElementsType)
        return None
    try:
        return ImageCms.ImageCmsProfile(BytesIO(raw))
    except (OSError, ImageCms.PyCMSError):
        return None


def to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    """Convert `image`, in RGB, RGBA or CMYK, to RGB or RGBA with the colors of sRGB."""
    shown = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile is None:
        return image.convert(shown)
    is_gray = profile.profile.xcolor_space.strip() == "GRAY"
    source = image.getchannel("R") if is_gray else image
    target = "RGB" if is_gray else shown
    try:
        transform = ImageCms.buildTransform(profile, _SRGB, source.mode, target)
        converted = ImageCms.applyTransform(source, transform)
    except (OSError, ValueError, ImageCms.PyCMSError):
        return image.convert(shown)
    assert converted is not None  # it is None only in place
    if is_gray and shown == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


def without_png_profile(content: bytes) -> tuple[bytes, bytes | None]:
    """Return a PNG without its profile, and the profile. Other files are returned unchanged.

    Pillow refuses a whole file because of a damaged or large profile.
    """
    profile, at = None, len(_PNG)
    if not content.startswith(_PNG):
        return content, None
    kept = [_PNG]
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4])
        if content[at + 4 : at + 8] == b"iCCP":
            profile = _unpacked(content[at + 8 : end - 4])
        else:
            kept.append(content[at:end])
        at = end
    return b"".join(kept), profile


def _unpacked(chunk: bytes) -> bytes | None:
    """Unpack an iCCP chunk: a name, a zero, the method of compression (always 0), the compressed profile."""
    packed = chunk.partition(b"\0")[2]
    try:
        profile = zlib.decompressobj().decompress(packed[1:], MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return None
    return profile if packed[:1] == b"\0" else None
