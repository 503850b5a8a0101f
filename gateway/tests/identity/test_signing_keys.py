"""The keys of access tokens: fetched from auth again when one is unknown, and kept while auth is down."""

from typing import Any

import pytest
from cv_testing.serving import eventually

from gateway.tests.conftest import MakeGateway
from gateway.tests.credentials import BAD_TOKEN, bearer
from gateway.tests.world import AuthKeys, FakeService, RunningGateway


async def test_a_new_signing_key_is_fetched(make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv_gateway.identity.jwks._MIN_FETCH_INTERVAL", 0.5)
    keys = AuthKeys()
    auth = FakeService("auth", keys)
    await auth.start()
    gateway = await make_gateway({"auth": auth})
    keys.seeds["second"] = AuthKeys().seeds["first"]

    async def accepted() -> bool:
        response = await gateway.client.get("/api/resumes/", headers=bearer(keys.token(kid="second")))
        return response.status_code == 200

    # Not immediately: the keys were fetched at startup, and fetches are limited.
    await eventually(accepted)
    await auth.stop()


class InvalidAtFirst(AuthKeys):
    """The first two key sets are invalid."""

    def jwks(self) -> dict[str, Any]:
        return {"keys": ["x"]} if self.fetches < 3 else super().jwks()


async def test_an_invalid_key_set_is_fetched_again(make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv_gateway.identity.jwks._RETRY_INTERVAL", 0.1)
    keys = InvalidAtFirst()
    auth = FakeService("auth", keys)
    await auth.start()
    gateway = await make_gateway({"auth": auth})

    async def accepted() -> bool:
        response = await gateway.client.get("/api/resumes/", headers=bearer(keys.token()))
        assert response.status_code in (200, 503)
        return response.status_code == 200

    await eventually(accepted)
    await auth.stop()


async def test_unknown_key_ids_cause_at_most_one_fetch(gateway: RunningGateway, auth_keys: AuthKeys) -> None:
    auth_keys.seeds["unknown"] = AuthKeys().seeds["first"]
    token = auth_keys.token(kid="unknown")
    del auth_keys.seeds["unknown"]
    before = auth_keys.fetches
    for _ in range(20):
        assert (await gateway.client.get("/api/resumes/", headers=bearer(token))).json() == BAD_TOKEN

    assert auth_keys.fetches - before <= 1


async def test_while_auth_is_down_known_keys_are_accepted_and_unknown_ones_are_a_503(
    make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv_gateway.identity.jwks._MIN_FETCH_INTERVAL", 0.5)
    keys = AuthKeys()
    auth = FakeService("auth", keys)
    await auth.start()
    gateway = await make_gateway({"auth": auth})
    await auth.stop()
    keys.seeds["second"] = AuthKeys().seeds["first"]

    known = await gateway.client.get("/api/resumes/", headers=bearer(keys.token()))
    assert known.status_code == 200

    async def unavailable() -> bool:
        response = await gateway.client.get("/api/resumes/", headers=bearer(keys.token(kid="second")))
        return response.status_code == 503 and "retry-after" in response.headers

    await eventually(unavailable)
