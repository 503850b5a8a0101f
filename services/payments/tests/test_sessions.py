"""Claims and merges of anonymous sessions."""

import secrets

from cv_testing.serving import eventually

from services.payments.tests.system import System


async def test_claim_transfers_an_open_page(system: System) -> None:
    """The page is opened in a session and paid by the account."""
    session_id, user_id, resume_id = secrets.token_urlsafe(24), system.new_id(), system.new_resume()
    page = await system.single_page(system.as_session(session_id), resume_id)
    await system.claim(session_id, user_id)
    await system.claim(session_id, user_id)
    await system.claim(session_id, system.new_id())
    user = system.keys.user("payments", user_id)
    assert await system.single_page(user, resume_id) == page
    await system.press(page)
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_buyer_of_an_ended_session_gets_a_new_session(system: System) -> None:
    session_id = secrets.token_urlsafe(24)
    await system.single_page(system.as_session(session_id), system.new_resume())
    await system.claim(session_id, system.new_id())
    answer = await system.checkout(system.as_session(session_id), payment_type="single", resume_id=system.new_resume())
    assert answer.status_code == 200
    assert answer.headers["X-Session-Start"] not in ("", session_id)


async def merge(system: System, session_id: str, into_session_id: str) -> int:
    path, body = f"/internal/sessions/{session_id}/merge/", {"into_session_id": into_session_id}
    return (await system.post(path, body, system.as_service("auth"))).status_code


async def test_merge_transfers_an_open_page(system: System) -> None:
    session_id, remaining, resume_id = secrets.token_urlsafe(24), secrets.token_urlsafe(24), system.new_resume()
    page = await system.single_page(system.as_session(session_id), resume_id)
    for _ in range(2):
        assert await merge(system, session_id, remaining) == 204
    assert await system.single_page(system.as_session(remaining), resume_id) == page
    answer = await system.checkout(system.as_session(session_id), payment_type="single", resume_id=system.new_resume())
    assert answer.headers["X-Session-Start"] not in ("", session_id, remaining)
    user_id = system.new_id()
    await system.claim(session_id, user_id)
    assert await system.single_page(system.as_session(remaining), resume_id) == page
    await system.press(page)
    await eventually(lambda: system.published_paid(resume_id) == [True])


async def test_merge_into_an_ended_session_does_nothing(system: System) -> None:
    session_id, ended, resume_id = secrets.token_urlsafe(24), secrets.token_urlsafe(24), system.new_resume()
    page = await system.single_page(system.as_session(session_id), resume_id)
    await system.claim(ended, system.new_id())
    assert await merge(system, session_id, ended) == 204
    assert await system.single_page(system.as_session(session_id), resume_id) == page


async def test_only_services_may_claim(system: System) -> None:
    path = f"/internal/sessions/{secrets.token_urlsafe(24)}/claim/"
    assert (await system.post(path, {"user_id": 1}, system.new_user())).status_code == 404
    assert (await system.post(path, {"user_id": "x"}, system.as_service("auth"))).status_code == 400
