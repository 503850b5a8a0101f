"""Part of a list, as DRF's limit and offset ask for it."""

from dataclasses import dataclass
from urllib.parse import urlencode

MAX_LIMIT = 100
_DIGITS = 18
"""Of the greatest number that a database counts with: no list is as long."""


@dataclass(frozen=True, slots=True)
class Page:
    """`limit` items from `offset` on."""

    limit: int
    offset: int

    def link(self, url: str, total: int) -> str:
        """The `Link` header (RFC 8288) of this page of `total` items: the next and the previous one, if any."""
        relations = {"next": self.offset + self.limit, "prev": max(0, self.offset - self.limit)}
        present = {"next": self.offset + self.limit < total, "prev": self.offset > 0}
        return ", ".join(
            f'<{url}?{urlencode({"limit": self.limit, "offset": offset})}>; rel="{relation}"'
            for relation, offset in relations.items()
            if present[relation]
        )


def page_of(limit: str | None, offset: str | None) -> Page | None:
    """The page that a query asks for; None for the whole list. As in DRF, a limit that is none asks for nothing."""
    wanted = _number(limit)
    if not wanted:
        return None
    return Page(limit=min(wanted, MAX_LIMIT), offset=_number(offset) or 0)


def _number(text: str | None) -> int | None:
    if not text or not text.isascii() or not text.isdecimal():
        return None
    return int(text) if len(text) < _DIGITS else 10**_DIGITS
