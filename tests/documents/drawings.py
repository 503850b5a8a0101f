"""Photos for the corpus, drawn at run time: a face in front of a background, in several formats."""

import io

from PIL import Image, ImageDraw

_BACKGROUND, _SKIN, _HAIR, _COAT = (196, 208, 220), (205, 152, 118), (62, 44, 36), (38, 70, 104)


def draw(name: str) -> tuple[str, bytes, str]:
    """The file name, content and media type of a drawing: `portrait`, `landscape` or `transparent`."""
    size = (1500, 1000) if name == "landscape" else (1000, 1500)
    image = Image.new("RGBA", size, (0, 0, 0, 0) if name == "transparent" else (*_BACKGROUND, 255))
    _draw_person(ImageDraw.Draw(image), *size)
    file = io.BytesIO()
    if name == "transparent":
        image.save(file, "PNG")
        return "photo.png", file.getvalue(), "image/png"
    image.convert("RGB").save(file, "JPEG", quality=90)
    return "photo.jpg", file.getvalue(), "image/jpeg"


def _draw_person(pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """Draw head and shoulders. The hair nearly touches the upper edge, as in most portraits."""
    center, unit = width // 2, min(width, height) // 10
    top = unit // 3
    pen.ellipse((center - 4 * unit, top + 7 * unit, center + 4 * unit, height + 4 * unit), fill=_COAT)
    pen.rectangle((center - unit, top + 5 * unit, center + unit, top + 8 * unit), fill=_SKIN)
    pen.ellipse((center - 2.6 * unit, top, center + 2.6 * unit, top + 6 * unit), fill=_HAIR)
    pen.ellipse((center - 2.2 * unit, top + 1.1 * unit, center + 2.2 * unit, top + 6.8 * unit), fill=_SKIN)
    for side in (-1, 1):
        eye = center + side * unit
        pen.ellipse((eye - 0.3 * unit, top + 3.2 * unit, eye + 0.3 * unit, top + 3.8 * unit), fill=_HAIR)
    pen.arc((center - unit, top + 4 * unit, center + unit, top + 5.6 * unit), 20, 160, fill=_HAIR, width=unit // 6)
