"""What can happen to the catalog: it is read, and it is loaded."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cv_common.kernel.database import Database, Row
from cv_common.kernel.errors import NotFound
from cv_common.kernel.media import Media

from cv_templates import repository
from cv_templates.clients import Renderer
from cv_templates.domain import Catalog, Template, is_slug
from cv_templates.schemas import Answer, Answers, answers_of
from cv_templates.settings import Settings


@dataclass(slots=True)
class Context:
    """What the actions act with. `answers` are those of the stored state `state`, replaced when that changed."""

    settings: Settings
    database: Database
    media: Media
    renderer: Renderer
    answers: Answers | None = None
    state: str | None = None


REFRESH_EVERY = 0.4
"""Seconds between two looks at what is stored: a loaded catalog is answered everywhere within a second."""


async def refresh(context: Context) -> None:
    """Have the answers of what is stored now. While the database is away, the last ones stay."""
    async with context.database.connection() as tx:
        # Read before the rows: a change between the two is seen next time.
        state = await repository.state(tx)
        if state == context.state:
            return
        rows = await repository.all_templates(tx)
    context.answers = answers_of(rows, context.settings.public_base_url)
    context.state = state


async def answers(context: Context) -> Answers:
    """All answers about templates."""
    if context.answers is None:
        await refresh(context)
        assert context.answers is not None, "a state was read for the first time"
    return context.answers


async def find(context: Context, template_id: int) -> Answer:
    """One active template. Raises NotFound."""
    return _found((await answers(context)).one.get(template_id))


async def find_for_service(context: Context, template_id: int) -> Answer:
    """One template, active or not, as services see it. Raises NotFound."""
    return _found((await answers(context)).internal.get(template_id))


async def find_default(context: Context) -> Answer:
    """The first free, active template, as services see it. Raises NotFound."""
    return _found((await answers(context)).default)


def _found(answer: Answer | None) -> Answer:
    if answer is None:
        raise NotFound
    return answer


async def open_thumbnail(context: Context, slug: str) -> bytes:
    """The PNG of a template. Raises NotFound."""
    content = await context.media.get(_thumbnail_path(slug)) if is_slug(slug) else None
    if content is None:
        raise NotFound
    return content


class Outcome(StrEnum):
    """What loading a catalog did to a template."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    HIDDEN = "hidden: it is not in the catalog any more"


async def load_catalog(context: Context, catalog: Catalog) -> dict[str, Outcome]:
    """Make the stored templates those of `catalog`; what that did, by slug. Ids stay with their slugs.

    Nothing is stored before every thumbnail is made. Raises UnsoundCatalog (a template cannot be rendered),
    Unavailable and whatever the media store raises.
    """
    async with context.database.connection() as tx:
        stored = _by_slug(await repository.all_templates(tx))
    thumbnails = {
        template.slug: await context.renderer.thumbnail(template, catalog.sample)
        for template in catalog.templates
        if await _lacks_thumbnail(context, catalog, template, stored.get(template.slug))
    }
    for slug, content in thumbnails.items():
        await context.media.put(_thumbnail_path(slug), content)
    return await _store_catalog(context, catalog)


async def _lacks_thumbnail(context: Context, catalog: Catalog, template: Template, stored: Row | None) -> bool:
    if stored is None or stored["pictured"] != catalog.picture_of(template):
        return True
    return await context.media.get(_thumbnail_path(template.slug)) is None


async def _store_catalog(context: Context, catalog: Catalog) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    async with context.database.transaction() as tx:
        await repository.lock_catalog(tx)
        stored = _by_slug(await repository.all_templates(tx))
        for template in catalog.templates:
            known = stored.get(template.slug)
            changed = await repository.keep(tx, known, template.slug, _columns(catalog, template))
            new = Outcome.ADDED if known is None else Outcome.CHANGED
            outcomes[template.slug] = new if changed else Outcome.UNCHANGED
        for slug in await repository.hide_others(tx, list(outcomes)):
            outcomes[slug] = Outcome.HIDDEN
    return outcomes


def _columns(catalog: Catalog, template: Template) -> dict[str, Any]:
    return {
        "name": template.manifest.name,
        "description": template.manifest.description,
        "is_premium": template.manifest.is_premium,
        "is_active": True,
        "template_html": template.html,
        "template_css": template.css,
        "version": template.version,
        "pictured": catalog.picture_of(template),
    }


def _by_slug(rows: list[Row]) -> dict[str, Row]:
    return {row["slug"]: row for row in rows}


def _thumbnail_path(slug: str) -> str:
    """Where the media store keeps a thumbnail."""
    return f"templates/{slug}.png"
