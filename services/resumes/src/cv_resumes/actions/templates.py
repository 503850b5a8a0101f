"""Events about templates."""

from cv_common.messaging import inbox
from cv_common.messaging.events import TemplateChanged

from cv_resumes.actions.context import Context
from cv_resumes.repository import templates


async def on_template_changed(context: Context, event: TemplateChanged) -> None:
    """Store whether the template is premium. Every resume with this template shows it from now on."""
    async with context.database.transaction() as tx:
        if await inbox.mark_processed(tx, event):
            await templates.upsert(tx, event.template_id, event.is_premium, event.revision)
