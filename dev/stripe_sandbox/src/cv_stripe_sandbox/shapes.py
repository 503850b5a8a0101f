"""What Stripe's objects are here: plain JSON objects, and the envelope lists travel in."""

from typing import Any

Json = dict[str, Any]

API_VERSION = "2026-10-28.endive"
"""The one API version the stand-in speaks: the version that stripe-python 16.1.0 pins."""


def envelope(url: str, data: list[Json], *, has_more: bool = False) -> Json:
    """Stripe's list object around `data`."""
    return {"object": "list", "url": url, "has_more": has_more, "data": data}
