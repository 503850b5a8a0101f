"""The watermark: a stylesheet that paints words across every page and that no template can override.

It styles a page-margin box, which no selector of a template matches. It has the user origin and `!important`, which
wins over a template's own `!important`, and sets every property, so that a template can set none. The color itself is
transparent: `opacity` would move the words from the page's content into a separate object, which is easily removed.
"""

from weasyprint.css.properties import INITIAL_VALUES

from cv_renderer.domain.labels import Labels

_STYLE = {
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
    """Return the stylesheet, to be passed to WeasyPrint as a user stylesheet."""
    defaults = {name.replace("_", "-"): "initial" for name in INITIAL_VALUES}
    style = {name: value.format(words=labels.watermark) for name, value in _STYLE.items()}
    declarations = _important({**defaults, **style})
    page = _important({"opacity": "1", "transform": "none", "overflow": "visible", "visibility": "visible"})
    return f"@page {{ {page} @top-left-corner {{ {declarations} }} }}"


def _important(properties: dict[str, str]) -> str:
    return " ".join(f"{name}: {value} !important;" for name, value in properties.items())
