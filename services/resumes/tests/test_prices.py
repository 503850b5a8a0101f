"""A template that became premium, or free, is so for all that was written with it."""

import dataclasses

import psycopg
import pytest
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import Caller, Signer
from cv_resumes.actions import prices
from cv_resumes.actions.context import Context
from cv_resumes.actions.prices import reprice
from cv_resumes.actions.resumes import change_resume, create_resume
from cv_resumes.clients import Template, Templates
from cv_resumes.repository import resumes

from services.resumes.tests.conftest import FREE, Neighbours, OneTemplate

USER = Caller("gateway", user_id=7)
RESUME = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}


def shown(database_url: str) -> list[bool]:
    """Whether each resume is with a premium template, as resumes remembers it."""
    with psycopg.connect(database_url) as connection:
        return [row[0] for row in connection.execute("select template_is_premium from resumes order by id")]


async def test_all_that_use_it_are_repriced(
    context: Context, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those with templates that this process has never been asked for."""
    monkeypatch.setattr(prices, "_BATCH", 2)
    for template_id in (1, 1, 3, 1, 3, 12, 1):
        await create_resume(context, USER, {**RESUME, "template": template_id})
    for is_premium in (True, False):
        await reprice(dataclasses.replace(context, templates=OneTemplate(is_premium)))
        assert shown(database_url) == [is_premium] * 7


async def test_what_somebody_is_writing_is_left_for_the_next_time(context: Context, database_url: str) -> None:
    """Nobody's auto-save waits, and none is waited for."""
    for _ in range(2):
        await create_resume(context, USER, RESUME)
    premium = dataclasses.replace(context, templates=OneTemplate(is_premium=True))
    with psycopg.connect(database_url) as writer:
        writer.execute("select 1 from resumes where id = (select min(id) from resumes) for update")
        await reprice(premium)
    assert sorted(shown(database_url)) == [False, True]
    await reprice(premium)
    assert shown(database_url) == [True, True]


async def test_a_template_that_cannot_be_asked_for_holds_up_no_other(
    context: Context, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for template_id in (1, 2, 3):
        await create_resume(context, USER, {**RESUME, "template": template_id})
    templates = OneTemplate(is_premium=True)

    async def anew(name: int | str) -> Template | None:
        if name == 1:
            raise ServiceUnavailable
        return None if name == 2 else await templates.get(int(name))

    monkeypatch.setattr(templates, "anew", anew)
    await reprice(dataclasses.replace(context, templates=templates))
    assert shown(database_url) == [False, False, True]


async def test_a_resume_that_changed_its_template_is_not_repriced_for_the_old_one(
    context: Context, database_url: str
) -> None:
    """An export saw the old one."""
    row, _ = await create_resume(context, USER, RESUME)
    await change_resume(context, USER, row["id"], {"template": 3})
    async with context.database.connection() as tx:
        await resumes.reprice(tx, row["id"], 1, is_premium=True)
        assert shown(database_url) == [False]
        await resumes.reprice(tx, row["id"], 3, is_premium=True)
    assert shown(database_url) == [True]


async def test_what_is_asked_for_anew_is_remembered(
    neighbours: tuple[Neighbours, str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ServiceClient("templates", neighbours[1], Signer("resumes", environment["IDENTITY_PRIVATE_KEY"]))
    await client.start()
    templates = Templates(client)
    assert not _is_premium(await templates.get(FREE))
    monkeypatch.setattr(neighbours[0], "premium", {FREE})
    assert not _is_premium(await templates.get(FREE))
    assert _is_premium(await templates.anew(FREE))
    assert _is_premium(await templates.get(FREE))
    assert await templates.anew(77) is None
    await client.stop()


def _is_premium(template: Template | None) -> bool:
    assert template is not None
    return template.is_premium
