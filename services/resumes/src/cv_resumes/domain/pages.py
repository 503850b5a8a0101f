"""Limit and offset pagination, as in Django REST Framework."""

from dataclasses import dataclass
from urllib.parse import urlencode

MAX_LIMIT = 100
_MAX_NUMBER = 10**18
"""Larger numbers are read as this one, which PostgreSQL's BIGINT holds."""


@dataclass(frozen=True, slots=True)
class Page:
    """`limit` items, starting at `offset`."""

    limit: int
    offset: int

    def link(self, url: str, total: int) -> str:
        """Return the `Link` header (RFC 8288) with the next and the previous page of `total` items, if they exist."""
        relations = {"next": self.offset + self.limit, "prev": max(0, self.offset - self.limit)}
        present = {"next": self.offset + self.limit < total, "prev": self.offset > 0}
        return ", ".join(
            f'<{url}?{urlencode({"limit": self.limit, "offset": offset})}>; rel="{relation}"'
            for relation, offset in relations.items()
            if present[relation]
        )


def parse_page(limit: str | None, offset: str | None) -> Page | None:
    """Return the page of a query, or None for the whole list. Without a positive limit, DRF does not paginate."""
    parsed_limit = _parse_number(limit)
    if not parsed_limit:
        return None
    return Page(limit=min(parsed_limit, MAX_LIMIT), offset=_parse_number(offset) or 0)


def _parse_number(text: str | None) -> int | None:
    if not text or not text.isascii() or not text.isdecimal():
        return None
    return int(text) if len(text) < len(str(_MAX_NUMBER)) else _MAX_NUMBER
