"""All SQL of the templates service."""

from collections.abc import AsyncGenerator
from dataclasses import asdict, fields
from typing import Any

from cv_common.kernel.database import Query, Scalar, Statement, Transaction, connect_directly
from sqlalchemy import BindParameter, bindparam, insert, select, update

from cv_templates.domain import StoredTemplate, TemplateContent
from cv_templates.tables import templates

_LISTEN_SECONDS = 5.0
"""Seconds between two pings of the listening connection, on which a lost server would otherwise go unnoticed."""

_ALL = Query(
    select(*(column.label(name) for name, column in templates.c.items())).order_by(templates.c.id), StoredTemplate
)
_VALUES: dict[str, BindParameter[Any]] = {
    name: bindparam(name) for name in (*(field.name for field in fields(TemplateContent)), "revision")
}
_INSERT = Scalar(insert(templates).values(_VALUES).returning(templates.c.id), int)
_UPDATE = Statement(update(templates).where(templates.c.id == bindparam("template_id")).values(_VALUES))


async def list_templates(tx: Transaction) -> list[StoredTemplate]:
    """Return all templates, active or not, sorted by id."""
    return await tx.fetch_all(_ALL)


async def lock_catalog(tx: Transaction) -> None:
    """Wait until no other transaction loads a catalog; hold the lock until `tx` ends."""
    await tx.lock("catalog")


async def insert_template(tx: Transaction, content: TemplateContent, revision: int) -> int:
    """Insert a template and return its id."""
    template_id = await tx.fetch_one(_INSERT, **asdict(content), revision=revision)
    assert template_id is not None
    return template_id


async def update_template(tx: Transaction, template_id: int, content: TemplateContent, revision: int) -> None:
    """Replace the content of a template."""
    await tx.execute(_UPDATE, template_id=template_id, **asdict(content), revision=revision)


async def listen(database_url: str) -> AsyncGenerator[None]:
    """Yield once connected, and then after each change of the table, of which the trigger of migration 0002 notifies.

    Raises DATABASE_UNAVAILABLE if the connection breaks.
    """
    async with await connect_directly(database_url) as connection:
        await connection.execute("listen templates")
        yield
        while True:
            async for _ in connection.notifies(timeout=_LISTEN_SECONDS, stop_after=1):
                yield
            await connection.ping()
