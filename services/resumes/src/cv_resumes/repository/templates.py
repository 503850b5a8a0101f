"""The current state of templates, from their events."""

from cv_common.kernel.database import Transaction
from cv_common.kernel.revision import upsert_if_newer

from cv_resumes.tables import templates

_UPSERT = upsert_if_newer(templates, ["id", "is_premium", "revision"])


async def upsert(tx: Transaction, template_id: int, is_premium: bool, revision: int) -> None:
    """Store the state of a template, unless a newer one is stored."""
    await tx.execute(_UPSERT, id=template_id, is_premium=is_premium, revision=revision)
