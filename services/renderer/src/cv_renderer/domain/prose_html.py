"""Free text of a CV as HTML: paragraphs, lists, bold, italics and links.

Everything else of Markdown is literal, because people type it in a CV for what it is:
`C++`, `A*`, `2*3*4`, `foo_bar`, `__init__` and `<b>` stay as they are: only `*` marks, and only at the edges of words.
"""

from functools import cache

from linkify_it import LinkifyIt
from linkify_it.main import Match
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.emphasis import tokenize as tokenize_emphasis
from markupsafe import Markup

from cv_renderer.domain.hyperlinks import is_safe_link
from cv_renderer.domain.prose import Block, parse_blocks


def render_prose(text: str | None) -> Markup:
    """Return a free text as HTML."""
    return Markup().join(map(_block, parse_blocks(text)))


def _block(block: Block) -> Markup:
    if not block.items:
        return Markup("<p>{}</p>").format(Markup("<br>").join(map(_render_line, block.lines)))
    items = Markup().join(
        Markup("<li>{}{}</li>").format(_render_line(item.text), Markup().join(map(_block, item.below)))
        for item in block.items
    )
    return (Markup("<ol>{}</ol>") if block.is_numbered else Markup("<ul>{}</ul>")).format(items)


def _render_line(line: str) -> Markup:
    """Return a line as HTML. Web and e-mail addresses are links."""
    return Markup(_parser().renderInline(line))  # noqa: S704 - the parser escapes all text, and HTML is off


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero", {"linkify": True})
    parser.enable(["linkify", "emphasis", "link"])
    parser.inline.ruler.at("emphasis", _tokenize_emphasis)
    parser.linkify = _Addresses()
    parser.validateLink = is_safe_link  # type: ignore[method-assign]  # the documented way to set it
    return parser


def _tokenize_emphasis(state: StateInline, silent: bool) -> bool:
    """Read `*`, `**` and `***` at the edge of a word."""
    marker = state.src[state.pos]
    if marker != "*":
        return False
    end = state.pos
    while end < state.posMax and state.src[end] == marker:
        end += 1
    before, after = state.src[max(state.pos - 1, 0) : state.pos], state.src[end : end + 1]
    if end - state.pos <= 3 and not (before.isalnum() and after.isalnum()):
        return tokenize_emphasis(state, silent)
    if not silent:
        state.pending += state.src[state.pos : end]
        state.pos = end
    return not silent


class _Addresses(LinkifyIt):  # type: ignore[misc]  # the library has no types
    """Finds e-mail addresses, and URLs with a scheme, with `www.` or with a path: `Node.js` and `main.py` are none."""

    def match(self, text: str) -> list[Match] | None:
        found = [each for each in super().match(text) or () if each.schema or _is_address(each.raw)]
        for each in found:
            if not each.schema:
                each.url = f"https://{each.raw}"
        return found or None


def _is_address(text: str) -> bool:
    return text.lower().startswith("www.") or "/" in text.rstrip("/")
