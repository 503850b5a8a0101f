"""The JSON of templates, made once for each state of the catalog and then sent as it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cv_common.kernel.database import Row
from cv_common.kernel.etag import etag_of
from cv_common.kernel.responses import dump_json
from pydantic import AnyUrl, BaseModel


class ListedTemplate(BaseModel):
    """A template in a list."""

    id: int
    name: str
    description: str
    thumbnail: AnyUrl
    is_premium: bool
    is_active: bool
    created_at: datetime


class Template(ListedTemplate):
    """A template with its sources: a Jinja2 document and its style sheet."""

    template_html: str
    template_css: str


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON, ready to be sent."""

    content: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Answers:
    """All that can be answered about one state of the catalog. Inactive templates are in `internal` only."""

    everything: Answer
    free: Answer
    premium: Answer
    one: dict[int, Answer]
    internal: dict[int, Answer]
    default: Answer | None


def answers_of(rows: Iterable[Row], base_url: str) -> Answers:
    """The answers about templates, which come in the order of ids; `base_url` begins the thumbnails' addresses."""
    every = list(rows)
    active = [row for row in every if row["is_active"]]
    free = [row for row in active if not row["is_premium"]]
    premium = [row for row in active if row["is_premium"]]
    internal = {row["id"]: _answer(_internal(row)) for row in every}
    return Answers(
        everything=_answer([_listed(row, base_url) for row in active]),
        free=_answer([_listed(row, base_url) for row in free]),
        premium=_answer([_listed(row, base_url) for row in premium]),
        one={row["id"]: _answer(_full(row, base_url)) for row in active},
        internal=internal,
        default=internal[free[0]["id"]] if free else None,
    )


def _answer(body: Any) -> Answer:
    content = dump_json(body)
    return Answer(content, etag_of(content))


def _listed(row: Row, base_url: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "thumbnail": f"{base_url}/media/templates/{row['slug']}.png",
        "is_premium": row["is_premium"],
        "is_active": row["is_active"],
        "created_at": row["created_at"],
    }


def _full(row: Row, base_url: str) -> dict[str, Any]:
    sources = {name: row[name] for name in ("template_html", "template_css")}
    return {**_listed(row, base_url), **sources}


def _internal(row: Row) -> dict[str, Any]:
    """What other services need to render with it."""
    names = ("id", "name", "is_premium", "is_active", "version", "template_html", "template_css")
    return {name: row[name] for name in names}
