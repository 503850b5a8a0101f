"""The watermark: a stylesheet that paints words across every page and that no template can outrank.

It is a page-margin box, which no selector of a template reaches, in the user origin and `!important`, which outranks
a template's own `!important`. Every property there is is pinned, so that none is left for a template to set. The
colour carries its transparency: `opacity` would move the words from the page's content into an object of its own,
which takes one click to remove.
"""

from weasyprint.css.properties import INITIAL_VALUES

from cv_renderer.domain.labels import Labels

_LOOK = {
    "content": '"{words}"',
    "color": "rgba(25, 35, 60, 0.12)",
    "font-family": "Inter",
    "font-weight": "400",
    "font-size": "48pt",
    "line-height": "1",
    "white-space": "nowrap",
    "transform-origin": "0 0",
    "transform": "translate(43mm, 199mm) rotate(-45deg)",
    "text-align": "left",
    "vertical-align": "top",
    "z-index": "999999999999",
}


def watermark_css(labels: Labels) -> str:
    """The stylesheet, to be given to WeasyPrint as the user's."""
    pinned = {name.replace("_", "-"): "initial" for name in INITIAL_VALUES}
    look = {name: value.format(words=labels.watermark) for name, value in _LOOK.items()}
    declarations = _important({**pinned, **look})
    page = _important({"opacity": "1", "transform": "none", "overflow": "visible", "visibility": "visible"})
    return f"@page {{ {page} @top-left-corner {{ {declarations} }} }}"


def _important(properties: dict[str, str]) -> str:
    return " ".join(f"{name}: {value} !important;" for name, value in properties.items())
