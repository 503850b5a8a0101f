"""Measurements of a PDF: text, places of glyphs and pictures, links, sizes."""

import io
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import page
import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image
from pypdf import PdfReader
from pypdf.generic import StreamObject

from tests.documents.words import ExtractedText

HAS_POPPLER = shutil.which("pdftotext") is not None
_MILLIMETER = 72 / 25.4
_FOOTER = 13 * _MILLIMETER
"""Text below is a page footer."""
_TOP, _BOTTOM = 15 * _MILLIMETER, 17 * _MILLIMETER
"""The margins of a page, about equal in all templates."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in points, from the lower left corner of the page; the character in it, if any."""

    left: float
    bottom: float
    right: float
    top: float
    character: str = ""

    def has_center_in(self, other: "Box") -> bool:
        x, y = (self.left + self.right) / 2, (self.bottom + self.top) / 2
        return other.left < x < other.right and other.bottom < y < other.top

    def without_edges(self, share: float) -> "Box":
        """The box without this share of its width and height at each side."""
        x, y = (self.right - self.left) * share, (self.top - self.bottom) * share
        return Box(self.left + x, self.bottom + y, self.right - x, self.top - y)


@dataclass(frozen=True, slots=True)
class Page:
    """The size of a page, its visible glyphs and its pictures."""

    width: float
    height: float
    glyphs: list[Box]
    pictures: list[Box]

    @property
    def fill(self) -> float:
        """How much of the height between the margins is used, from 0 to 1."""
        body = [glyph.bottom for glyph in self.glyphs if glyph.top > _FOOTER]
        return (self.height - _TOP - min(body, default=self.height)) / (self.height - _TOP - _BOTTOM)

    def glyphs_beyond(self, margin: float) -> str:
        """The characters nearer than `margin` millimeters to the left or right edge, or beyond an edge."""
        return "".join(
            glyph.character
            for glyph in self.glyphs
            if glyph.left < margin * _MILLIMETER
            or glyph.right > self.width - margin * _MILLIMETER
            or glyph.bottom < 0
            or glyph.top > self.height
        )

    def glyphs_on_pictures(self) -> str:
        """The characters whose center is on a picture. Its edges do not count: a frame crops a quarter of a photo."""
        visible = [picture.without_edges(1 / 8) for picture in self.pictures]
        return "".join(
            glyph.character for glyph in self.glyphs if any(glyph.has_center_in(picture) for picture in visible)
        )


class Pdf:
    """An exported PDF. Everything is computed once, when a test first asks for it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @cached_property
    def pypdf(self) -> ExtractedText:
        return ExtractedText([page.extract_text() for page in self._reader.pages])

    @cached_property
    def poppler(self) -> ExtractedText:
        command = ["pdftotext", "-enc", "UTF-8", "-", "-"]
        output = subprocess.run(command, input=self.content, capture_output=True, check=True).stdout
        return ExtractedText(output.decode().rstrip("\f").split("\f"))

    @cached_property
    def pages(self) -> list[Page]:
        with pypdfium2.PdfDocument(self.content) as document:
            return [_measure(page) for page in document]

    @cached_property
    def language(self) -> str | None:
        language = self._reader.root_object.get("/Lang")
        return None if language is None else str(language)

    @cached_property
    def links(self) -> list[str]:
        """The URLs of all links."""
        annotations = [each.get_object() for page in self._reader.pages for each in page.get("/Annots", [])]
        return [str(each["/A"]["/URI"]) for each in annotations if "/URI" in each.get("/A", {})]

    @cached_property
    def size_without_pictures(self) -> int:
        """Bytes of the file, without the streams of its pictures."""
        objects: Iterator[Any] = map(self._reader.get_object, range(1, self._reader.trailer["/Size"]))
        pictures = [each for each in objects if isinstance(each, StreamObject) and each.get("/Subtype") == "/Image"]
        return len(self.content) - sum(len(each._data) for each in pictures)

    def failed_rules(self) -> Counter[str]:
        """The rules of PDF/UA-1 that the file breaks, and how often."""
        report = page.validate_pdf_bytes(self.content, profile=page.ValidationProfile.PDF_UA_1)
        return Counter(f"{failure.rule_id} {failure.message}" for failure in report.failures)

    def right_edges_are_even(self) -> bool:
        """Whether more lines of text end at one right edge than start at one left edge: the text runs to the left."""
        edges: tuple[Counter[int], Counter[int]] = Counter(), Counter()
        for each in self.pages:
            lines: dict[int, list[Box]] = {}
            for glyph in each.glyphs:
                lines.setdefault(round(glyph.bottom / 4), []).append(glyph)
            for glyphs in lines.values():
                edges[0][round(min(glyph.left for glyph in glyphs) / 3)] += 1
                edges[1][round(max(glyph.right for glyph in glyphs) / 3)] += 1
        left, right = (max(edge.values(), default=0) for edge in edges)
        return right > left

    def images(self, width: int) -> list[Image.Image]:
        """The pages as pictures, this many pixels wide."""
        with pypdfium2.PdfDocument(self.content) as document:
            return [page.render(scale=3 * width / page.get_width()).to_pil().reduce(3) for page in document]

    @cached_property
    def _reader(self) -> Any:
        """The file in pypdf, whose objects are untyped."""
        return PdfReader(io.BytesIO(self.content))


def _measure(page: Any) -> Page:
    text = page.get_textpage()
    glyphs = []
    for index in range(text.count_chars()):
        code = pdfium.FPDFText_GetUnicode(text, index)
        if code > 32 and not pdfium.FPDFText_IsGenerated(text, index):
            left, bottom, right, top = text.get_charbox(index)
            if right > left and top > bottom:
                glyphs.append(Box(left, bottom, right, top, chr(code)))
    pictures = [Box(*each.get_bounds()) for each in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE])]
    return Page(page.get_width(), page.get_height(), glyphs, pictures)
