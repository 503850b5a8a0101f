"""What the renderer listens to: the bus."""

from functools import partial

from cv_common.messaging.broker import Broker, Consumer
from cv_common.messaging.events import ResumeDeleted

from cv_renderer.actions import pdfs
from cv_renderer.actions.context import Context


def consumers(context: Context, bus: Broker) -> list[Consumer]:
    """One consumer for the one stream that the renderer listens to."""
    return [Consumer(bus, {ResumeDeleted: partial(pdfs.on_resume_deleted, context)})]
