"""Photos: whatever arrives is decoded within limits and written anew, so that only pixels remain."""

from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 25_000_000
MAX_SIDE = 1200
"""More than a page can show at the size a photo has on it."""
FORMATS = ("JPEG", "PNG", "WEBP")

NOT_A_FILE = "The submitted data was not a file. Check the encoding type on the form."
EMPTY = "The submitted file is empty."
NOT_AN_IMAGE = "Upload a valid image. The file you uploaded was either not an image or a corrupted image."
TOO_HEAVY = "The photo may have at most 5 MB."
TOO_LARGE = "The photo may have at most 25 megapixels."

Image.MAX_IMAGE_PIXELS = None  # our own limit is stricter, and checked before anything is decoded


class BadPhoto(ValueError):
    """Why a photo is refused, in words for the person who sent it."""


def rewrite_photo(content: bytes) -> tuple[bytes, str]:
    """The picture alone, upright, without metadata, and its file extension. Raises BadPhoto."""
    if not content:
        raise BadPhoto(EMPTY)
    if len(content) > MAX_BYTES:
        raise BadPhoto(TOO_HEAVY)
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadPhoto(TOO_LARGE)
            return _encode(ImageOps.exif_transpose(image))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise error if isinstance(error, BadPhoto) else BadPhoto(NOT_AN_IMAGE) from error


def _encode(image: Image.Image) -> tuple[bytes, str]:
    """A JPEG, or a PNG where something shows through. New pixels in a new image: nothing else comes along."""
    see_through = image.has_transparency_data
    plain = image.convert("RGBA" if see_through else "RGB")
    plain.thumbnail((MAX_SIDE, MAX_SIDE))
    plain.info.clear()
    out = BytesIO()
    if see_through:
        plain.save(out, "PNG")
        return out.getvalue(), "png"
    plain.save(out, "JPEG", quality=88, optimize=True)
    return out.getvalue(), "jpg"
