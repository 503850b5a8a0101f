"""Versions of a resume: which one a change was made against."""


def etag(revision: int) -> str:
    """The entity tag of a revision."""
    return f'"{revision}"'


def may_change(if_match: str | None, revision: int) -> bool:
    """Whether a change made against `If-Match` may go ahead (RFC 9110, 13.1.1: a weak tag never matches)."""
    if if_match is None:
        return True
    tags = [tag.strip() for tag in if_match.split(",")]
    return "*" in tags or etag(revision) in tags
