"""A template became premium, or free: so is what was written with it before."""

from cv_resumes.actions.context import Context
from cv_resumes.store import resumes

_BATCH = 1000


async def reprice(context: Context) -> None:
    """Have every resume show what its export would do, a batch at a time: an auto-save waits for none of them."""
    for template in await context.templates.in_use():
        repriced = _BATCH
        while repriced == _BATCH:
            async with context.database.connection() as tx:
                repriced = await resumes.reprice_some(tx, template.id, template.is_premium, _BATCH)
