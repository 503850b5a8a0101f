"""Skills as a CV groups them."""

from collections.abc import Iterable, Mapping
from typing import Any


def by_category(skills: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """(category, its skills) in the order of first mention; skills without a category come under ``, last."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for skill in skills:
        groups.setdefault((skill.get("category") or "").strip(), []).append(skill)
    without = groups.pop("", None)
    return [*groups.items(), *([("", without)] if without else [])]
