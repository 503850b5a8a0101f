"""Events about templates, and the cache of templates."""

import psycopg
import pytest
from cv_common.kernel.errors import ServiceUnavailable
from cv_common.kernel.http import ServiceClient
from cv_common.kernel.identity import Caller, Signer
from cv_common.messaging.events import TemplateChanged
from cv_resumes.actions.context import Context
from cv_resumes.actions.resumes import change_resume, create_resume, open_resume
from cv_resumes.actions.templates import on_template_changed
from cv_resumes.clients import Template, Templates

from services.resumes.tests.conftest import FREE, PREMIUM, FakeServices, edit, new_resume

USER = Caller("gateway", user_id=7)


def changed(template_id: int, is_premium: bool, revision: int) -> TemplateChanged:
    return TemplateChanged(template_id=template_id, is_premium=is_premium, is_active=True, revision=revision)


async def is_premium(context: Context, resume_id: int) -> bool:
    return (await open_resume(context, USER, resume_id)).template_is_premium


async def test_template_that_changes_changes_all_resumes_that_use_it(context: Context) -> None:
    ids = [(await create_resume(context, USER, new_resume(template=template))).resume.id for template in (1, 3, 1)]
    for revision, premium in enumerate((True, False, True), start=1):
        await on_template_changed(context, changed(1, premium, revision))
        assert [await is_premium(context, resume_id) for resume_id in ids] == [premium, False, premium]


async def test_older_and_repeated_events_change_nothing(context: Context) -> None:
    resume_id = (await create_resume(context, USER, new_resume())).resume.id
    newest = changed(1, True, 5)
    for event in (newest, changed(1, False, 4), newest.model_copy(update={"is_premium": False, "revision": 9})):
        await on_template_changed(context, event)
        assert await is_premium(context, resume_id)


async def test_event_wins_over_an_older_response_of_templates(context: Context) -> None:
    """The event may come between the answer of templates, which says that it is free, and the commit."""
    await on_template_changed(context, changed(1, True, 1))
    created = (await create_resume(context, USER, new_resume())).resume
    assert created.template_is_premium
    other = (await create_resume(context, USER, new_resume(template=3))).resume
    assert not other.template_is_premium
    changed_resume = await change_resume(context, USER, other.id, edit(template=1))
    assert changed_resume.template_is_premium
    assert await is_premium(context, other.id)


async def test_edit_that_repeats_the_template_changes_nothing(context: Context) -> None:
    await on_template_changed(context, changed(1, True, 1))
    created = (await create_resume(context, USER, new_resume())).resume
    repeated = await change_resume(context, USER, created.id, edit(template=1))
    assert (repeated.revision, repeated.template_is_premium) == (created.revision, True)


async def test_template_event_does_not_wait_for_edits(context: Context, database_url: str) -> None:
    resume_id = (await create_resume(context, USER, new_resume())).resume.id
    with psycopg.connect(database_url) as writer:
        writer.execute("select 1 from resumes for update")
        await on_template_changed(context, changed(1, True, 1))
    assert await is_premium(context, resume_id)


async def test_templates_are_cached_for_seconds_and_while_the_service_is_down(
    fake_services: tuple[FakeServices, str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ServiceClient("templates", fake_services[1], Signer("resumes", environment["IDENTITY_PRIVATE_KEY"]))
    await client.start()
    templates = Templates(client)
    assert not _premium(await templates.get(FREE))
    monkeypatch.setattr(fake_services[0], "premium", {FREE})
    assert not _premium(await templates.get(FREE))
    assert _premium(await templates.get(FREE, revision=1))
    assert _premium(await templates.get(FREE))
    monkeypatch.setattr(fake_services[0], "premium", {PREMIUM})
    assert _premium(await templates.get(FREE, revision=1))
    monkeypatch.setattr("cv_resumes.clients._MAX_AGE", 0)
    assert not _premium(await templates.get(FREE, revision=1))
    monkeypatch.setattr(fake_services[0], "premium", {FREE})
    assert _premium(await templates.get(FREE))
    assert await templates.get(77) is None
    await client.stop()

    async def fail(path: str) -> None:
        raise ServiceUnavailable

    monkeypatch.setattr(client, "get", fail)
    assert _premium(await templates.get(FREE, revision=2))
    with pytest.raises(ServiceUnavailable):
        await templates.get(77)


def _premium(template: Template | None) -> bool:
    assert template is not None
    return template.is_premium
