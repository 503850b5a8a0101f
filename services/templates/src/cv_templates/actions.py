"""The use cases of the catalog: read it, load it, reload what this replica serves."""

import asyncio
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cv_common.kernel.database import Database, Transaction
from cv_common.kernel.errors import or_404
from cv_common.kernel.media import Media
from cv_common.kernel.revision import next_revision
from cv_common.messaging import outbox
from cv_common.messaging.events import TemplateChanged

from cv_templates import repository
from cv_templates.clients import Renderer
from cv_templates.domain import Catalog, StoredTemplate, TemplateContent, TemplateSource, is_slug
from cv_templates.schemas import CatalogResponses, PreparedResponse, prepare_responses
from cv_templates.settings import Settings


@dataclass(slots=True)
class Context:
    """The settings, connections and prepared responses that actions use."""

    settings: Settings
    database: Database
    media: Media
    renderer: Renderer
    responses: CatalogResponses | None = None
    """The responses for the catalog as last read; None before the first read."""
    reloading: asyncio.Lock = field(default_factory=asyncio.Lock)


async def reload_catalog(context: Context) -> None:
    """Prepare the responses for the stored catalog. While the database is away, the last ones stay."""
    async with context.reloading:  # else an older read could replace a newer one
        async with context.database.connection() as tx:
            templates = await repository.list_templates(tx)
        context.responses = prepare_responses(templates, context.settings.public_base_url)


async def get_responses(context: Context) -> CatalogResponses:
    """Return all responses about templates."""
    if context.responses is None:
        await reload_catalog(context)
        assert context.responses is not None
    return context.responses


async def find_template(context: Context, template_id: int) -> PreparedResponse:
    """Return an active template. Raises NotFound."""
    return or_404((await get_responses(context)).by_id.get(template_id))


async def find_template_for_service(context: Context, template_id: int) -> PreparedResponse:
    """Return a template, active or not, as services see it. Raises NotFound."""
    return or_404((await get_responses(context)).internal_by_id.get(template_id))


async def find_default_template(context: Context) -> PreparedResponse:
    """Return the first free, active template, as services see it. Raises NotFound."""
    return or_404((await get_responses(context)).default)


async def read_thumbnail(context: Context, slug: str) -> bytes:
    """Return the PNG of a template. Raises NotFound."""
    return or_404(await context.media.get(_thumbnail_path(slug)) if is_slug(slug) else None)


class Outcome(StrEnum):
    """The effect of loading a catalog on one template."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    HIDDEN = "hidden: it is not in the catalog any more"


async def load_catalog(context: Context, catalog: Catalog) -> dict[str, Outcome]:
    """Make the stored templates those of `catalog` and publish each change. Returns the outcomes by slug.

    A template keeps its id as long as it keeps its slug. Nothing is stored before every thumbnail is made.
    Raises InvalidCatalog (a template cannot be rendered) and ServiceUnavailable (the renderer, the media store).
    """
    async with context.database.connection() as tx:
        stored = _by_slug(await repository.list_templates(tx))
    thumbnails = {
        template.slug: await context.renderer.thumbnail(template, catalog.sample)
        for template in catalog.templates
        if await _needs_thumbnail(context, catalog, template, stored.get(template.slug))
    }
    for slug, content in thumbnails.items():
        await context.media.put(_thumbnail_path(slug), content)
    async with context.database.transaction() as tx:
        await repository.lock_catalog(tx)
        return await _store_catalog(tx, catalog)


async def _needs_thumbnail(
    context: Context, catalog: Catalog, template: TemplateSource, stored: StoredTemplate | None
) -> bool:
    if stored is None or stored.thumbnail_hash != catalog.thumbnail_hash(template):
        return True
    return await context.media.get(_thumbnail_path(template.slug)) is None


async def _store_catalog(tx: Transaction, catalog: Catalog) -> dict[str, Outcome]:
    stored = _by_slug(await repository.list_templates(tx))
    outcomes = {
        template.slug: await _store_template(tx, stored.pop(template.slug, None), catalog.content_of(template))
        for template in catalog.templates
    }
    for slug, template in stored.items():
        if await _store_template(tx, template, replace(template.content, is_active=False)) is Outcome.CHANGED:
            outcomes[slug] = Outcome.HIDDEN
    return outcomes


async def _store_template(tx: Transaction, stored: StoredTemplate | None, content: TemplateContent) -> Outcome:
    """Store and publish a template that is new, or changed, or of an earlier release, which published nothing."""
    is_changed = stored is None or stored.content != content
    if stored is not None and stored.revision > 0 and not is_changed:
        return Outcome.UNCHANGED
    revision = next_revision(stored.revision if stored else 0)
    if stored is None:
        outcome = Outcome.ADDED
        template_id = await repository.insert_template(tx, content, revision)
    else:
        outcome = Outcome.CHANGED if is_changed else Outcome.UNCHANGED
        template_id = stored.id
        await repository.update_template(tx, template_id, content, revision)
    event = TemplateChanged(
        template_id=template_id, is_premium=content.is_premium, is_active=content.is_active, revision=revision
    )
    await outbox.record(tx, event)
    return outcome


def _by_slug(templates: list[StoredTemplate]) -> dict[str, StoredTemplate]:
    return {template.slug: template for template in templates}


def _thumbnail_path(slug: str) -> str:
    """Return the path of a thumbnail in the media store."""
    return f"templates/{slug}.png"
