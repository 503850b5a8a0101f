"""Pictures of the corpus: the contact sheets of the docs.

python -m tests.documents.pictures sheets    draws docs/images/corpus-*.webp
python -m tests.documents.pictures pdfs DIR  writes all PDFs to a folder
"""

import argparse
import asyncio
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cv_testing.workspace import ROOT
from PIL import Image

from tests.conftest import running_system
from tests.documents.corpus import Case, all_cases, rotating_cases
from tests.documents.exports import export_all, member
from tests.documents.pdfs import Pdf

_SHEETS = ROOT / "docs/images"
_GRAY = (150, 150, 150)
_SHEET_WIDTH = 300
"""Pixels of a page."""
_SHEET_QUALITY = 70
_GAP, _COLUMNS = 6, 7


def _paste(images: Sequence[Image.Image], columns: int, gap: int) -> Image.Image:
    """One picture of all images, row by row, with gaps around each."""
    width, height = (max(each.size[axis] for each in images) for axis in (0, 1))
    rows = math.ceil(len(images) / columns)
    size = (columns * (width + gap) + gap, rows * (height + gap) + gap)
    sheet = Image.new("RGB", size, _GRAY)
    for number, image in enumerate(images):
        sheet.paste(image, (gap + number % columns * (width + gap), gap + number // columns * (height + gap)))
    return sheet


def _draw_sheets(pdfs: dict[Case, Pdf]) -> None:
    """Draw the first page of each CV, each in one template, which rotates."""
    images = [pdf.images(_SHEET_WIDTH)[0] for pdf in pdfs.values()]
    half = math.ceil(len(images) / 2)
    _SHEETS.mkdir(exist_ok=True)
    for number, part in enumerate((images[:half], images[half:]), 1):
        sheet = _paste(part, _COLUMNS, _GAP)
        sheet.save(_SHEETS / f"corpus-{number}.webp", "WEBP", quality=_SHEET_QUALITY, method=6)


def _write_pdfs(pdfs: dict[Case, Pdf], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for case, pdf in pdfs.items():
        (folder / f"{case}.pdf").write_bytes(pdf.content)


async def _export(public_url: str, cases: Sequence[Case]) -> dict[Case, Pdf]:
    """Export the cases. Reports the CVs that are rejected, and leaves them out."""
    async with member(public_url) as visitor:
        exported = await export_all(visitor, cases)
    for case, result in exported.items():
        if isinstance(result, AssertionError):
            print(f"! {case}: {result}", file=sys.stderr)  # noqa: T201 - the output of this command
    return {case: result for case, result in exported.items() if isinstance(result, Pdf)}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("sheets", "pdfs"))
    parser.add_argument("folder", type=Path, nargs="?", default=Path("corpus-pdfs"))
    arguments = parser.parse_args()
    cases = rotating_cases() if arguments.command == "sheets" else all_cases()
    with tempfile.TemporaryDirectory() as data, running_system(Path(data)) as system:
        pdfs = asyncio.run(_export(system.ports.public_url, cases))
    if arguments.command == "sheets":
        _draw_sheets(pdfs)
    else:
        _write_pdfs(pdfs, arguments.folder)


if __name__ == "__main__":
    main()
