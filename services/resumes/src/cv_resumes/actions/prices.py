"""A template became premium, or free: so is what was written with it before."""

from contextlib import suppress

from cv_common.kernel.errors import ServiceUnavailable

from cv_resumes.actions.context import Context
from cv_resumes.clients import Template
from cv_resumes.repository import resumes

_BATCH = 1000


async def reprice(context: Context) -> None:
    """Have every resume show what its export would do. What cannot be asked now is asked the next time."""
    async with context.database.connection() as tx:
        used = await resumes.templates_used(tx)
    for template_id in dict.fromkeys(template_id for template_id, _ in used):
        with suppress(ServiceUnavailable):
            template = await context.templates.anew(template_id)
            if template is not None and (template_id, not template.is_premium) in used:
                await _reprice_all_with(context, template)


async def _reprice_all_with(context: Context, template: Template) -> None:
    """A batch at a time: an auto-save waits for none of them."""
    repriced = _BATCH
    while repriced == _BATCH:
        async with context.database.connection() as tx:
            repriced = await resumes.reprice_some(tx, template.id, template.is_premium, _BATCH)
