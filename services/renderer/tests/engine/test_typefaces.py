"""Every script comes out as glyphs and as text again; what no font has leaves a mark, and the rest can be read."""

import asyncio
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cv_renderer.domain.jobs import Job
from cv_renderer.engine.pool import Pool
from cv_renderer.engine.typefaces import MISSING, legible
from cv_renderer.engine.worker import Output
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


def squeezed(text: str) -> str:
    """Without blanks and the marks of direction that readers add."""
    return re.sub("[\\s\u200e\u200f\u202a-\u202e]", "", text)


@pytest.mark.parametrize("font", ["Inter, sans-serif", "Manrope, sans-serif", '"EB Garamond", serif'])
@pytest.mark.parametrize("text", SCRIPTS)
async def test_each_script_has_glyphs_and_is_text_for_readers_of_three_makes(
    pool: Pool, text: str, font: str, tmp_path: Path
) -> None:
    path = tmp_path / "resume.pdf"
    path.write_bytes(await pool.render(job(text, font)))
    page: Any = PdfReader(path).pages[0]
    assert page.extract_text().strip() == text
    read = extract_text(path).strip()  # in the order of the page, which is not that of the text from right to left
    assert read == (text[::-1] if RIGHT_TO_LEFT.search(text) else text)
    if shutil.which("pdftotext"):
        poppler = await asyncio.create_subprocess_exec("pdftotext", path, "-", stdout=asyncio.subprocess.PIPE)
        assert squeezed((await poppler.communicate())[0].decode()) == squeezed(text)
    names = " ".join(str(used.get_object()["/BaseFont"]) for used in page["/Resources"]["/Font"].values())
    if font.startswith("Inter"):
        assert SCRIPTS[text] in names


@pytest.mark.parametrize(
    "text", ["𓀀", "\x01", "\x7f", "\u0085", "\u2028", "\ufdd0", "\u0378", "👩‍💻 1️⃣ 🇫🇷", "a\U000e0101"]
)
async def test_an_odd_character_leaves_the_others_readable(pool: Pool, text: str) -> None:
    content = await pool.render(job(f"Efficace {text} Łódź"))
    for found in (PdfReader(io.BytesIO(content)).pages[0].extract_text(), extract_text(io.BytesIO(content))):
        words = found.split()
        assert (words[0], words[-1]) == ("Efficace", "Łódź")


async def test_what_no_font_has_is_seen_to_be_missing(pool: Pool) -> None:
    async def picture(text: str) -> Image.Image:
        content = await pool.render(job(text), Output.THUMBNAIL)
        return Image.open(io.BytesIO(content)).convert("RGB")

    missing, marked, nothing = [await picture(text) for text in ("𓀀", MISSING, " ")]
    assert ImageChops.difference(missing, marked).getbbox() is None
    assert ImageChops.difference(missing, nothing).getbbox() is not None


def test_what_can_be_drawn_stays_as_it_is() -> None:
    text = "<p title='x'>\n\tÉté œuvre 25\u00a0°C\u200b \u200dשם\u200f 中文 👩\u200d💻\ufe0f a\U000e0101 e\u0301</p>"
    assert legible(text) == text
    assert legible("a\x00b\x85c\u2028d𓀀e\U0010ffff") == f"a b c d{MISSING}e{MISSING}"
