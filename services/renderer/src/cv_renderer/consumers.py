"""NATS consumers: each event calls one action."""

from functools import partial

from cv_common.messaging.broker import Broker
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import ResumeDeleted

from cv_renderer.actions import pdfs
from cv_renderer.actions.context import Context


def consumers(context: Context, broker: Broker) -> list[Consumer]:
    """Return one consumer for each stream."""
    return [Consumer(broker, {ResumeDeleted: partial(pdfs.on_resume_deleted, context)})]
