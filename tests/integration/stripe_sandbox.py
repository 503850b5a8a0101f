"""A client of the Stripe sandbox: its API, its pages and its controls."""

import hashlib
import hmac
import json
import re
import time
from types import TracebackType
from typing import Any, Self

import httpx

from tests.integration.visitor import TLS, expect


class StripeSandbox:
    """Controls the Stripe sandbox and presses the buttons of its pages."""

    def __init__(self, url: str, api_key: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=30, verify=TLS)
        self._api_key = api_key

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def control(self, action: str, **options: Any) -> Any:
        """Trigger an action of the sandbox: a renewal, a refund, a dispute, a change of webhook delivery."""
        return expect(await self._client.post(f"/sandbox/{action}", json=options), 200)

    async def api(self, path: str, **params: Any) -> dict[str, Any]:
        """GET an object or a list from the API."""
        answer = await self._client.get(f"/v1/{path}", params=params, auth=(self._api_key, ""))
        return dict(expect(answer, 200))

    async def listed(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Return all pages of a list of the API, newest first."""
        found: list[dict[str, Any]] = []
        more, after = True, dict[str, str]()
        while more:
            page = await self.api(path, limit=100, **params, **after)
            found += page["data"]
            more, after = page["has_more"], {"starting_after": found[-1]["id"]} if found else {}
        return found

    async def pay(self, checkout_url: str) -> bool:
        """Pay on a payment page. Returns False if it was already paid or closed."""
        return (await self._client.post(f"{checkout_url}/pay")).status_code == 303

    async def press(self, portal_url: str, button: str, **form: str) -> None:
        """Press a button of a customer portal."""
        answer = await self._client.post(f"{portal_url}/{button}", data=form)
        assert answer.status_code in (200, 303), answer.text

    async def subscription(self, portal_url: str) -> str:
        """Return the id of the only subscription of a portal."""
        text = (await self._client.get(portal_url)).text
        [found] = set(re.findall(r'name="subscription" value="(sub_\w+)"', text))
        return str(found)

    async def offered_price(self, portal_url: str) -> str:
        """Return the price of the only change of plan that a portal offers."""
        [found] = re.findall(r'name="price" value="(price_\w+)"', (await self._client.get(portal_url)).text)
        return str(found)

    async def page_status(self, checkout_url: str) -> str:
        """Return the status of a checkout session: `open`, `complete` or `expired`."""
        session = checkout_url.split("#")[0].rpartition("/")[2]
        answer = await self._client.get(f"/v1/checkout/sessions/{session}", auth=(self._api_key, ""))
        return str(expect(answer, 200)["status"])

    async def status(self, subscription: str) -> str:
        """Return a subscription's status at Stripe."""
        answer = await self._client.get(f"/v1/subscriptions/{subscription}", auth=(self._api_key, ""))
        return str(expect(answer, 200)["status"])

    async def held_events(self) -> list[dict[str, Any]]:
        """Return the events whose webhooks are held back."""
        held = expect(await self._client.get("/sandbox/deliveries", params={"state": "held"}), 200)
        answers = [await self._client.get(f"/v1/events/{row['event']}", auth=(self._api_key, "")) for row in held]
        return [expect(answer, 200) for answer in answers]

    async def newest_event(self, event_type: str) -> dict[str, Any]:
        """Return the newest event of a type."""
        params = {"type": event_type, "limit": "1"}
        answer = await self._client.get("/v1/events", params=params, auth=(self._api_key, ""))
        [event] = expect(answer, 200)["data"]
        return dict(event)

    async def is_idle(self) -> bool:
        """Return whether no webhook waits for delivery or a retry."""
        return not expect(await self._client.get("/sandbox/deliveries", params={"state": "pending"}), 200)

    async def newest_charge(self) -> str:
        """Return the id of the newest charge."""
        answer = await self._client.get("/v1/charges", params={"limit": 1}, auth=(self._api_key, ""))
        return str(expect(answer, 200)["data"][0]["id"])


def signed(event: dict[str, Any], secret: str) -> tuple[bytes, str]:
    """Return the body and the signature header of a webhook for an event."""
    body, moment = json.dumps(event).encode(), int(time.time())
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return body, f"t={moment},v1={digest}"
