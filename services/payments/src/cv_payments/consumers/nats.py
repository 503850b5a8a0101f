"""NATS consumers: each event calls one action."""

from functools import partial

from cv_common.messaging.broker import Broker
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import ResumeDeleted, SessionClaimed, SessionMerged, UserDeleted

from cv_payments.actions import deletions, sessions
from cv_payments.actions.context import Context


def consumers(context: Context, broker: Broker) -> list[Consumer]:
    """One consumer for each stream that payments subscribes to."""
    return [
        Consumer(
            broker,
            {
                SessionClaimed: partial(sessions.on_session_claimed, context),
                SessionMerged: partial(sessions.on_session_merged, context),
                UserDeleted: partial(deletions.on_user_deleted, context),
            },
        ),
        Consumer(broker, {ResumeDeleted: partial(deletions.on_resume_deleted, context)}),
    ]
