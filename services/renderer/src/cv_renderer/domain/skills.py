"""Skills as a CV groups them."""

from collections.abc import Iterable

from cv_renderer.domain.documents import Document


def group_by_category(skills: Iterable[Document]) -> list[tuple[str, list[Document]]]:
    """(category, skills) in order of first mention; the skills without a category come last, under an empty string."""
    groups: dict[str, list[Document]] = {}
    for skill in skills:
        groups.setdefault(str(skill.get("category") or "").strip(), []).append(skill)
    uncategorized = groups.pop("", None)
    return [*groups.items(), *([("", uncategorized)] if uncategorized else [])]
