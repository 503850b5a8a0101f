"""Anonymous sessions that become accounts."""

import secrets

from cv_testing.serving import eventually

from services.payments.tests.shop import Shop


async def claim(shop: Shop, session_id: str, user_id: int) -> int:
    answer = await shop.post(f"/internal/sessions/{session_id}/claim/", {"user_id": user_id}, shop.service("auth"))
    return answer.status_code


async def test_open_page_follows_its_buyer(shop: Shop) -> None:
    """Begun without an account, paid after registering: the page is the account's."""
    session_id, user_id, resume_id = secrets.token_urlsafe(24), shop.number(), shop.resume()
    page = await shop.single(shop.session(session_id), resume_id)
    assert await claim(shop, session_id, user_id) == 204
    assert await claim(shop, session_id, user_id) == 204
    assert await claim(shop, session_id, shop.number()) == 204
    user = shop.keys.user("payments", user_id)
    assert await shop.single(user, resume_id) == page
    await shop.press(page)
    await eventually(lambda: shop.paid(resume_id) == [True])


async def test_ended_session_buys_nothing_more(shop: Shop) -> None:
    session_id = secrets.token_urlsafe(24)
    await shop.single(shop.session(session_id), shop.resume())
    await claim(shop, session_id, shop.number())
    answer = await shop.checkout(shop.session(session_id), payment_type="single", resume_id=shop.resume())
    assert answer.status_code == 200
    assert answer.headers["X-Session-Start"] not in ("", session_id)


async def merge(shop: Shop, session_id: str, into_session_id: str) -> int:
    path, body = f"/internal/sessions/{session_id}/merge/", {"into_session_id": into_session_id}
    return (await shop.post(path, body, shop.service("auth"))).status_code


async def test_open_page_follows_its_buyer_into_another_session(shop: Shop) -> None:
    session_id, remaining, resume_id = secrets.token_urlsafe(24), secrets.token_urlsafe(24), shop.resume()
    page = await shop.single(shop.session(session_id), resume_id)
    for _ in range(2):
        assert await merge(shop, session_id, remaining) == 204
    assert await shop.single(shop.session(remaining), resume_id) == page
    answer = await shop.checkout(shop.session(session_id), payment_type="single", resume_id=shop.resume())
    assert answer.headers["X-Session-Start"] not in ("", session_id, remaining)
    user_id = shop.number()
    assert await claim(shop, session_id, user_id) == 204, "it has ended before, and nothing is moved"
    assert await shop.single(shop.session(remaining), resume_id) == page
    await shop.press(page)
    await eventually(lambda: shop.paid(resume_id) == [True])


async def test_nothing_is_merged_into_a_session_that_has_ended(shop: Shop) -> None:
    session_id, ended, resume_id = secrets.token_urlsafe(24), secrets.token_urlsafe(24), shop.resume()
    page = await shop.single(shop.session(session_id), resume_id)
    await claim(shop, ended, shop.number())
    assert await merge(shop, session_id, ended) == 204
    assert await shop.single(shop.session(session_id), resume_id) == page


async def test_only_services_may_claim(shop: Shop) -> None:
    path = f"/internal/sessions/{secrets.token_urlsafe(24)}/claim/"
    assert (await shop.post(path, {"user_id": 1}, shop.user())).status_code == 404
    assert (await shop.post(path, {"user_id": "x"}, shop.service("auth"))).status_code == 400
