"""Every script is drawn and can be extracted as text; a character without a glyph is replaced."""

import asyncio
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cv_renderer.domain.jobs import Job
from cv_renderer.engine.fonts import MISSING, replace_missing_glyphs
from cv_renderer.engine.worker import Output
from cv_renderer.engine.worker_pool import WorkerPool
from pdfminer.high_level import extract_text
from PIL import Image, ImageChops
from pypdf import PdfReader

HTML = "<html><head></head><body><p>{{ resume.full_name }}</p></body></html>"
SCRIPTS = {
    "Разработчик": "Inter",
    "Μηχανικός": "Inter",
    "软件工程师": "Noto-Sans-CJK",
    "軟體工程師": "Noto-Sans-CJK",
    "ソフトウェアエンジニア": "Noto-Sans-CJK",
    "소프트웨어": "Noto-Sans-CJK",
    "مهندس برمجيات القاهرة": "IBM-Plex-Sans-Arabic",
    "מהנדס תוכנה": "Noto-Sans-Hebrew",
    "इंजीनियर": "Noto-Sans-Devanagari",
    "ქართული": "Noto-Sans-Georgian",
    "Հայերեն": "Noto-Sans-Armenian",
    "😀🚀": "Noto-Emoji",
}
RIGHT_TO_LEFT = re.compile("[\u0590-\u06ff]")


def job(text: str, font: str = "Inter, sans-serif", **more: Any) -> Job:
    return Job(HTML, f"body {{ font: 12pt {font} }}", {"full_name": text}, "fr", **more)


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def without_white_space(text: str) -> str:
    """Remove white space and the direction marks that PDF readers add."""
    return re.sub("[\\s\u200e\u200f\u202a-\u202e]", "", text)


@pytest.mark.parametrize("text", SCRIPTS)
async def test_each_script_has_glyphs_and_is_extracted_by_three_pdf_readers(
    pool: WorkerPool, text: str, tmp_path: Path
) -> None:
    """One line in each font of the templates."""
    fonts = ("Inter, sans-serif", "Manrope, sans-serif", "EB Garamond, serif")
    html = "".join(f'<p style="font: 12pt {font}">{{{{ resume.full_name }}}}</p>' for font in fonts)
    path = tmp_path / "resume.pdf"
    path.write_bytes(await pool.render(Job(html, "", {"full_name": text}, "fr")))
    page: Any = PdfReader(path).pages[0]
    assert lines_of(page.extract_text()) == [text] * 3
    visual_order = text[::-1] if RIGHT_TO_LEFT.search(text) else text
    assert lines_of(extract_text(path)) == [visual_order] * 3
    if shutil.which("pdftotext"):
        poppler = await asyncio.create_subprocess_exec("pdftotext", path, "-", stdout=asyncio.subprocess.PIPE)
        assert without_white_space((await poppler.communicate())[0].decode()) == without_white_space(text) * 3
    names = " ".join(str(used.get_object()["/BaseFont"]) for used in page["/Resources"]["/Font"].values())
    assert SCRIPTS[text] in names


@pytest.mark.parametrize(
    "text", ["𓀀", "\x01", "\x7f", "\u0085", "\u2028", "\ufdd0", "\u0378", "👩‍💻 1️⃣ 🇫🇷", "a\U000e0101"]
)
async def test_an_unusual_character_leaves_the_others_readable(pool: WorkerPool, text: str) -> None:
    content = await pool.render(job(f"Efficace {text} Łódź"))
    for found in (PdfReader(io.BytesIO(content)).pages[0].extract_text(), extract_text(io.BytesIO(content))):
        words = found.split()
        assert (words[0], words[-1]) == ("Efficace", "Łódź")


async def test_a_character_without_a_glyph_is_drawn_as_a_replacement_character(pool: WorkerPool) -> None:
    async def thumbnail(text: str) -> Image.Image:
        content = await pool.render(job(text), Output.THUMBNAIL)
        return Image.open(io.BytesIO(content)).convert("RGB")

    missing, replacement, blank = [await thumbnail(text) for text in ("𓀀", MISSING, " ")]
    assert ImageChops.difference(missing, replacement).getbbox() is None
    assert ImageChops.difference(missing, blank).getbbox() is not None


async def test_the_language_chooses_the_forms_of_han_characters(pool: WorkerPool, catalog: dict[str, Any]) -> None:
    """Regular and bold, in a document without words of its language."""
    template = catalog["modern_professional"]
    for document in ({"full_name": "骨直令海廊"}, {"full_name": "x", "address": "骨直令海廊"}):
        jobs = [Job(template.html, template.css, document, tag) for tag in ("ja", "zh-CN", "zh-TW", "ko")]
        assert len({await pool.render(job, Output.THUMBNAIL) for job in jobs}) == len(jobs)


async def test_chinese_japanese_and_korean_have_a_bold_face(pool: WorkerPool) -> None:
    pdf = await pool.render(job("中文 한국어", "Inter; font-weight: bold"))
    page: Any = PdfReader(io.BytesIO(pdf)).pages[0]
    (font,) = page["/Resources"]["/Font"].values()
    assert str(font.get_object()["/BaseFont"]).endswith("Noto-Sans-CJK-JP-Bold")


def test_only_characters_without_a_glyph_are_replaced() -> None:
    text = "<p title='x'>\n\tÉté œuvre 25\u00a0°C\u200b \u200dשם\u200f 中文 👩\u200d💻\ufe0f a\U000e0101 e\u0301</p>"
    assert replace_missing_glyphs(text) == text
    assert replace_missing_glyphs("a\x00b\x85c\u2028d𓀀e\U0010ffff") == f"a b c d{MISSING}e{MISSING}"
