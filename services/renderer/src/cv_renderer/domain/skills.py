"""Skills as a CV groups them."""

from collections.abc import Iterable

from cv_renderer.domain.documents import Document


def group_by_category(skills: Iterable[Document]) -> list[tuple[str, list[Document]]]:
    """Return (category, skills) in order of first mention. Skills without a category come last, under ""."""
    groups: dict[str, list[Document]] = {}
    for skill in skills:
        groups.setdefault(str(skill.get("category") or "").strip(), []).append(skill)
    uncategorized = groups.pop("", None)
    return [*groups.items(), *([("", uncategorized)] if uncategorized else [])]
