"""The type of Stripe's objects, plain JSON objects, and the object that wraps lists."""

from typing import Any

Json = dict[str, Any]

API_VERSION = "2026-10-28.endive"
"""The only API version that the sandbox supports: the version that stripe-python 16.1.0 pins."""


def list_object(url: str, data: list[Json], *, has_more: bool = False) -> Json:
    """Wrap `data` in Stripe's list object."""
    return {"object": "list", "url": url, "has_more": has_more, "data": data}
