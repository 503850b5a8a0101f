"""A template that became premium, or free, is so for all that was written with it."""

import dataclasses

import psycopg
import pytest
from cv_common.http import ServiceClient
from cv_common.identity import Caller, Signer
from cv_resumes.actions import prices
from cv_resumes.actions.context import Context
from cv_resumes.actions.prices import reprice
from cv_resumes.actions.resumes import create_resume, list_resumes
from cv_resumes.clients import Templates

from services.resumes.tests.conftest import FREE, PREMIUM, Neighbours, OneTemplate

USER = Caller("gateway", user_id=7)
RESUME = {"template": 1, "full_name": "Marie Dubois", "email": "marie.dubois@example.com"}


async def shown(context: Context) -> list[bool]:
    """Whether each resume is with a premium template, as resumes remembers it."""
    return [row["template_is_premium"] for row in (await list_resumes(context, USER, None))[0]]


async def test_all_that_use_it_are_repriced(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "_BATCH", 2)
    for _ in range(5):
        await create_resume(context, USER, RESUME)
    for is_premium in (True, False):
        await reprice(dataclasses.replace(context, templates=OneTemplate(is_premium)))
        assert await shown(context) == [is_premium] * 5


async def test_what_somebody_is_writing_is_left_for_the_next_time(context: Context, database_url: str) -> None:
    """Nobody's auto-save waits, and none is waited for."""
    for _ in range(2):
        await create_resume(context, USER, RESUME)
    premium = dataclasses.replace(context, templates=OneTemplate(is_premium=True))
    with psycopg.connect(database_url) as writer:
        writer.execute("select 1 from resumes where id = (select min(id) from resumes) for update")
        await reprice(premium)
    assert sorted(await shown(context)) == [False, True]
    await reprice(premium)
    assert await shown(context) == [True, True]


async def test_what_was_asked_for_is_asked_for_anew(
    neighbours: tuple[Neighbours, str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ServiceClient("templates", neighbours[1], Signer("resumes", environment["IDENTITY_PRIVATE_KEY"]))
    await client.start()
    templates = Templates(client)
    for template_id in (FREE, PREMIUM, 77):
        await templates.get(template_id)
    monkeypatch.setattr(neighbours[0], "premium", {FREE})
    assert {each.id: each.is_premium for each in await templates.in_use()} == {FREE: True, PREMIUM: False}
    template = await templates.get(FREE)
    assert template is not None
    assert template.is_premium
    await client.stop()
