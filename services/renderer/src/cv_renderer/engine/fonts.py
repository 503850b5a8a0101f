"""The fonts of documents: those in `font_files`, then those of Python packages. The system's fonts are not used.

So a document looks the same everywhere, and the characters that have no glyph are known before the layout. They are
replaced: one missing glyph makes WeasyPrint encode the whole font in a way that pypdf and pdfminer cannot read.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from xml.sax.saxutils import escape

MISSING = "\N{REPLACEMENT CHARACTER}"
"""Replaces a character that no font has a glyph for."""

_FONT_FILES = Path(__file__).with_name("font_files")
_PACKAGES = (
    "fontpkg-ibm-plex-sans-arabic",
    "manimgx-fonts",
    "noto-cjk-sans-jp-bold",
    "noto-cjk-sans-jp-regular",
)
_WHITE_SPACE = frozenset("\t\n\f\r")
_EQUIVALENTS = {
    **dict.fromkeys("➢➤➔➜", "→"),
    **dict.fromkeys("▸▹", "►"),
    **dict.fromkeys("✦✧", "★"),
    **dict.fromkeys("☐", "□"),
    **dict.fromkeys("☒✘", "✗"),
    "✆": "☎",
    # Bullets and signs of the fonts Symbol and Wingdings, which Word pastes as characters for private use.
    **dict.fromkeys("\uf0b7\uf0a8\uf06c\uf06e", "•"),
    **dict.fromkeys("\uf0a7\uf076", "▪"),
    **dict.fromkeys("\uf0d8\uf0e0\uf0e8", "→"),
    **dict.fromkeys("\uf0fc\uf050", "✓"),
    "\uf028": "☎",
    "\uf02a": "✉",
}
"""Characters of equal meaning for those that people paste and no font has."""
_DIRECTIONS = range(0x202A, 0x202F)
"""Embeddings and overrides of direction. An override would print a text backwards, so they are removed."""
_VARIATION_SELECTORS = range(0xE0100, 0xE01F0)


def font_packages() -> list[str]:
    """Return the name and version of each Python package with fonts."""
    return [f"{package} {version(package)}" for package in _PACKAGES]


def write_configuration(folder: Path) -> Path:
    """Write a fontconfig file to `folder` that lists these fonts and no others. Returns its path."""
    directories = "".join(f"<dir>{escape(str(path))}</dir>" for path in _package_folders())
    path = folder / "fonts.conf"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
        f"<fontconfig><include>{escape(str(_FONT_FILES / 'fonts.conf'))}</include>{directories}</fontconfig>"
    )
    return path


def replace_missing_glyphs(text: str) -> str:
    """Replace the characters that no font has a glyph for, by one of equal meaning if there is one, else by `MISSING`.

    Control characters become spaces, and overrides of direction are removed.
    """
    changes = {character: _replacement(character) for character in set(text)}
    return text.translate({ord(old): new for old, new in changes.items() if old != new})


def _replacement(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zl" or (category == "Cc" and character not in _WHITE_SPACE):
        return " "
    if ord(character) in _DIRECTIONS:
        return ""
    is_invisible = category in ("Cc", "Cf") or ord(character) in _VARIATION_SELECTORS
    if is_invisible or ord(character) in _code_points():
        return character
    equivalent = _EQUIVALENTS.get(character) or unicodedata.normalize("NFKC", character)
    return equivalent if all(ord(each) in _code_points() for each in equivalent) else MISSING


@cache
def _code_points() -> frozenset[int]:
    """Return the code points that at least one font has a glyph for."""
    from fontTools.ttLib import TTFont

    code_points: set[int] = set()
    for folder in (_FONT_FILES, *_package_folders()):
        for path in sorted(folder.rglob("*.[ot]tf")):
            with TTFont(path, lazy=True) as font:
                code_points.update(font.getBestCmap())
    return frozenset(code_points)


def _package_folders() -> Iterator[Path]:
    for package in _PACKAGES:
        spec = find_spec(package.replace("-", "_"))
        assert spec is not None, package
        assert spec.submodule_search_locations, package
        yield from map(Path, spec.submodule_search_locations)
