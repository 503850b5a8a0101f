"""What the renderer listens to: the bus."""

from functools import partial

from cv_common.bus import Bus, Consumer
from cv_common.events import ResumeDeleted

from cv_renderer.actions import pdfs
from cv_renderer.actions.context import Context


def consumers(context: Context, bus: Bus) -> list[Consumer]:
    """One consumer for the one stream that the renderer listens to."""
    return [Consumer(bus, {ResumeDeleted: partial(pdfs.on_resume_deleted, context)})]
