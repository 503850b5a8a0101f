"""The fonts a document may use: ours, and those of packages for what ours lack. The machine's own are never asked.

So a document looks the same everywhere, and it is known beforehand what cannot be drawn. One glyph that is missing
would cost more than itself: WeasyPrint then encodes the whole font in a way that pypdf and pdfminer cannot read.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from xml.sax.saxutils import escape

MISSING = "\N{REPLACEMENT CHARACTER}"
"""What is drawn where no font has a glyph."""

_OURS = Path(__file__).with_name("fonts")
_PACKAGES = ("fontpkg-ibm-plex-sans-arabic", "manimgx-fonts", "noto-cjk-sans-jp-regular")
_LAYOUT = frozenset("\t\n\f\r")
_VARIATION_SELECTORS = range(0xE0100, 0xE01F0)


def versions() -> list[str]:
    """The packages that fonts come from, each with its version."""
    return [f"{package} {version(package)}" for package in _PACKAGES]


def write_configuration(folder: Path) -> Path:
    """A file in `folder` that tells fontconfig of all fonts and of no others."""
    found = "".join(f"<dir>{escape(str(place))}</dir>" for place in _package_folders())
    path = folder / "fonts.conf"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
        f"<fontconfig><include>{escape(str(_OURS / 'fonts.conf'))}</include>{found}</fontconfig>"
    )
    return path


def legible(text: str) -> str:
    """`text`, with `MISSING` for what no font can draw, and spaces for controls, which would be taken for that too."""
    changes = {character: _shown(character) for character in set(text)}
    return text.translate({ord(old): new for old, new in changes.items() if old != new})


def _shown(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Zl" or (kind == "Cc" and character not in _LAYOUT):
        return " "
    is_invisible = kind in ("Cc", "Cf") or ord(character) in _VARIATION_SELECTORS
    return character if is_invisible or ord(character) in _drawable() else MISSING


@cache
def _drawable() -> frozenset[int]:
    """The code points that some font has a glyph for."""
    from fontTools.ttLib import TTFont

    found: set[int] = set()
    for folder in (_OURS, *_package_folders()):
        for path in sorted(folder.rglob("*.[ot]tf")):
            with TTFont(path, lazy=True) as font:
                found.update(font.getBestCmap())
    return frozenset(found)


def _package_folders() -> Iterator[Path]:
    for package in _PACKAGES:
        spec = find_spec(package.replace("-", "_"))
        assert spec is not None, package
        assert spec.submodule_search_locations, package
        yield from map(Path, spec.submodule_search_locations)
