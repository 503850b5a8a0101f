"""Decode uploaded photos within limits and encode them again, so that only pixels remain.

A decoded photo of 25 megapixels takes 100 MB (a WEBP or an AVIF four times that, for copies of its decoder), so it is
never copied: a JPEG is decoded at the final size, and other formats are reduced band by band. Colors are converted
last, when the photo is small.
"""

import struct
from io import BytesIO

from PIL import AvifImagePlugin, Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from PIL.ExifTags import Base

from cv_resumes.domain.color_profiles import profile_for, to_srgb, without_png_profile
from cv_resumes.domain.image_formats import unsupported_format

MAX_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 25_000_000
MAX_LENGTH = 65_500
"""The longest side of a JPEG. Pillow allocates each row, so many short rows take more memory than their pixels."""
MAX_SIDE = 600
"""Pixels of the longest side of a stored photo: more than a page can show."""
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")

NOT_A_FILE = "The submitted data was not a file. Check the encoding type on the form."
EMPTY = "The submitted file is empty."
NOT_AN_IMAGE = "Upload a valid image. The file you uploaded was either not an image or a corrupted image."
NOT_ACCEPTED = "Upload a valid image. {format} is not an accepted format; upload a JPEG, PNG, WEBP or AVIF image."
TOO_HEAVY = "The photo may have at most 5 MB."
TOO_LARGE = "The photo may have at most 25 megapixels."
TOO_LONG = "The photo may have at most 65,500 pixels a side."
TOO_COMPLEX = "The photo takes too much time or memory to be decoded. Upload a smaller or a simpler one."

_BAND = 1_000_000
"""Pixels that are converted at once."""

Image.MAX_IMAGE_PIXELS = None  # our own limit is stricter, and checked before anything is decoded
PngImagePlugin.MAX_TEXT_MEMORY = MAX_BYTES  # texts, which go anyway, could unpack to more than the pixels
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread of the decoder has buffers of its own


class BadPhoto(ValueError):
    """The photo is refused. The message is for the user."""


def rewrite_photo(content: bytes) -> tuple[bytes, str]:
    """Return the photo, upright and without metadata, and its file extension. Raises BadPhoto."""
    if not content:
        raise BadPhoto(EMPTY)
    if len(content) > MAX_BYTES:
        raise BadPhoto(TOO_HEAVY)
    if (other := unsupported_format(content)) is not None:
        raise BadPhoto(NOT_ACCEPTED.format(format=other))
    content, png_profile = without_png_profile(content)
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            _check(image)
            return _encode(image, png_profile or image.info.get("icc_profile"))
    except BadPhoto:
        raise
    except MemoryError as error:
        raise BadPhoto(TOO_COMPLEX) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadPhoto(NOT_AN_IMAGE) from error


def _check(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise BadPhoto(TOO_LARGE)
    if max(image.size) > MAX_LENGTH:
        raise BadPhoto(TOO_LONG)
    if image.mode == "P" and image.palette is None:
        raise BadPhoto(NOT_AN_IMAGE)


def _encode(image: Image.Image, raw_profile: bytes | None) -> tuple[bytes, str]:
    """Encode a JPEG, or a PNG if the photo is transparent. It is a new image, without anything but the pixels."""
    profile = profile_for(image.mode, raw_profile)
    longest = max(image.size)
    image.draft(None, (max(1, image.width * MAX_SIDE // longest), max(1, image.height * MAX_SIDE // longest)))
    may_be_transparent = image.has_transparency_data
    mode = "RGBA" if may_be_transparent else "CMYK" if image.mode == "CMYK" and profile is not None else "RGB"
    plain = _reduced(image, mode)
    plain.thumbnail((MAX_SIDE, MAX_SIDE))
    plain = to_srgb(plain, profile)
    plain.getexif()[Base.Orientation] = _orientation(image)
    ImageOps.exif_transpose(plain, in_place=True)
    plain.info.clear()
    out = BytesIO()
    if may_be_transparent and plain.getchannel("A").getextrema() != (255, 255):
        plain.save(out, "PNG", optimize=True)
        return out.getvalue(), "png"
    plain.convert("RGB").save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue(), "jpg"


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation. Some files have it after the pixels, so read it after decoding."""
    try:
        value = image.getexif().get(Base.Orientation)
    except (struct.error, SyntaxError, ValueError, KeyError, OSError):
        value = None  # the metadata is truncated or damaged, but the pixels are good
    return value if isinstance(value, int) else 1


def _reduced(image: Image.Image, mode: str) -> Image.Image:
    """Return the photo in `mode`, each side divided by an integer and not shorter than the final size."""
    factor = max(1, max(image.size) // MAX_SIDE)
    width, height = image.size
    reduced = Image.new(mode, (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, _BAND // (width * factor))
    for top in range(0, height, rows):
        band = _plain(image.crop((0, top, width, min(top + rows, height))), mode)
        reduced.paste(band.reduce(factor), (0, top // factor))
    return reduced


def _plain(band: Image.Image, mode: str) -> Image.Image:
    """Convert a part of the photo to `mode`. `convert` alone would turn 16-bit gray values above 255 into white."""
    if band.mode == "I;16":
        band = band.point(lambda level: level * (1 / 257)).convert("L")
        if "transparency" in band.info:
            band.info["transparency"] //= 257
    return band.convert(mode)
