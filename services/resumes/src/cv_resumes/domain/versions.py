"""Versions of a resume: which one a change was made against."""

from cv_common.kernel.etag import names_etag


def etag(revision: int) -> str:
    """The entity tag of a revision."""
    return f'"{revision}"'


def may_change(if_match: str | None, revision: int) -> bool:
    """Whether a change made against `If-Match` may go ahead."""
    return if_match is None or names_etag(if_match, etag(revision))
