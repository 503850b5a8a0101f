"""Stripe's side of a story: the stand-in's API, its pages and its knobs, as a deployment has them."""

import hashlib
import hmac
import json
import re
import time
from types import TracebackType
from typing import Any, Self

import httpx

from tests.integration.visitor import expect


class Bank:
    """Turns the knobs of the stand-in for Stripe, and presses the buttons of its portal."""

    def __init__(self, url: str, api_key: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=30)
        self._api_key = api_key

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def turn(self, knob: str, **how: Any) -> Any:
        """Make something happen that customers, banks and calendars would."""
        return expect(await self._client.post(f"/sandbox/{knob}", json=how), 200)

    async def api(self, path: str, **params: Any) -> dict[str, Any]:
        """What Stripe's API answers to a GET."""
        answer = await self._client.get(f"/v1/{path}", params=params, auth=(self._api_key, ""))
        return dict(expect(answer, 200))

    async def listed(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """All pages of a list of Stripe's API, newest first."""
        found: list[dict[str, Any]] = []
        more, after = True, dict[str, str]()
        while more:
            page = await self.api(path, limit=100, **params, **after)
            found += page["data"]
            more, after = page["has_more"], {"starting_after": found[-1]["id"]} if found else {}
        return found

    async def pay(self, checkout_url: str) -> bool:
        """Press Pay on the hosted page; whether that worked, and not already been paid or closed."""
        return (await self._client.post(f"{checkout_url}/pay")).status_code == 303

    async def press(self, portal_url: str, button: str, **form: str) -> None:
        """Press a button of a customer's portal."""
        answer = await self._client.post(f"{portal_url}/{button}", data=form)
        assert answer.status_code in (200, 303), answer.text

    async def subscription(self, portal_url: str) -> str:
        """The id of the one subscription that a portal shows."""
        text = (await self._client.get(portal_url)).text
        [found] = set(re.findall(r'name="subscription" value="(sub_\w+)"', text))
        return str(found)

    async def offered_price(self, portal_url: str) -> str:
        """The price of the one change of plan that a portal's page offers."""
        [found] = re.findall(r'name="price" value="(price_\w+)"', (await self._client.get(portal_url)).text)
        return str(found)

    async def page_status(self, checkout_url: str) -> str:
        """What became of a payment page."""
        session = checkout_url.split("#")[0].rpartition("/")[2]
        answer = await self._client.get(f"/v1/checkout/sessions/{session}", auth=(self._api_key, ""))
        return str(expect(answer, 200)["status"])

    async def status(self, subscription: str) -> str:
        """A subscription's status at Stripe."""
        answer = await self._client.get(f"/v1/subscriptions/{subscription}", auth=(self._api_key, ""))
        return str(expect(answer, 200)["status"])

    async def held_events(self) -> list[dict[str, Any]]:
        """The events that the stand-in keeps back, as it would send them."""
        held = expect(await self._client.get("/sandbox/deliveries", params={"state": "held"}), 200)
        answers = [await self._client.get(f"/v1/events/{row['event']}", auth=(self._api_key, "")) for row in held]
        return [expect(answer, 200) for answer in answers]

    async def newest_event(self, event_type: str) -> dict[str, Any]:
        """What happened last of a type."""
        params = {"type": event_type, "limit": "1"}
        answer = await self._client.get("/v1/events", params=params, auth=(self._api_key, ""))
        [event] = expect(answer, 200)["data"]
        return dict(event)

    async def is_idle(self) -> bool:
        """Whether no webhook waits to be sent or sent again."""
        return not expect(await self._client.get("/sandbox/deliveries", params={"state": "pending"}), 200)

    async def newest_charge(self) -> str:
        """The id of the last money that was taken."""
        answer = await self._client.get("/v1/charges", params={"limit": 1}, auth=(self._api_key, ""))
        return str(expect(answer, 200)["data"][0]["id"])


def signed(event: dict[str, Any], secret: str) -> tuple[bytes, str]:
    """The body and the signature of a webhook."""
    body, moment = json.dumps(event).encode(), int(time.time())
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return body, f"t={moment},v1={digest}"
