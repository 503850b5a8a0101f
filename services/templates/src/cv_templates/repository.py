"""All SQL of the templates service."""

from collections.abc import Mapping, Sequence
from typing import Any

from cv_common.kernel.database import Row, Statement, Transaction
from sqlalchemy import Text, bindparam, func, insert, literal, literal_column, select, update
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from cv_templates.tables import templates

_LOADED = (
    "name", "description", "is_premium", "is_active", "template_html", "template_css", "version", "pictured",
)  # fmt: skip
"""The columns that loading a catalog writes."""

# A row's xmin is the transaction that wrote it: cheap to read, and no change escapes it, not even one made by hand.
_STATE = Statement(
    select(
        func.string_agg(
            func.concat(templates.c.id, ":", literal_column("xmin")), aggregate_order_by(literal(","), templates.c.id)
        ).label("state")
    )
)
_ALL = Statement(select(templates).order_by(templates.c.id))
_ADD = Statement(insert(templates).values({name: bindparam(name) for name in ("slug", *_LOADED)}))
_CHANGE = Statement(
    update(templates)
    .where(templates.c.slug == bindparam("of_slug"))
    .values({name: bindparam(name) for name in _LOADED})
)
_HIDE_OTHERS = Statement(
    update(templates)
    .where(templates.c.is_active, templates.c.slug != func.all(bindparam("slugs", type_=ARRAY(Text))))
    .values(is_active=False)
    .returning(templates.c.slug)
)


async def state(tx: Transaction) -> str:
    """A text that changes whenever anything in the catalog does."""
    row = await tx.fetch_one(_STATE)
    return (row and row["state"]) or ""


async def all_templates(tx: Transaction) -> list[Row]:
    """Every template, active or not, in the order of ids."""
    return await tx.fetch_all(_ALL)


async def lock_catalog(tx: Transaction) -> None:
    """One catalog is loaded at a time."""
    await tx.lock("catalog")


async def keep(tx: Transaction, stored: Row | None, slug: str, columns: Mapping[str, Any]) -> bool:
    """Store a template as `columns` has it; whether that changed anything."""
    if stored is None:
        await tx.execute(_ADD, slug=slug, **columns)
    elif any(stored[name] != columns[name] for name in _LOADED):
        await tx.execute(_CHANGE, of_slug=slug, **columns)
    else:
        return False
    return True


async def hide_others(tx: Transaction, slugs: Sequence[str]) -> list[str]:
    """Make every template but these inactive; the slugs of those that were not."""
    return [row["slug"] for row in await tx.fetch_all(_HIDE_OTHERS, slugs=list(slugs))]
