"""NATS consumers: each event calls one action."""

from functools import partial

from cv_common.messaging.broker import Broker
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import (
    ResumePaymentChanged,
    SessionClaimed,
    SessionMerged,
    SubscriptionChanged,
    TemplateChanged,
    UserDeleted,
)

from cv_resumes.actions import owners, payments, templates
from cv_resumes.actions.context import Context


def consumers(context: Context, broker: Broker) -> list[Consumer]:
    """Return one consumer for each stream."""
    return [
        Consumer(
            broker,
            {
                SessionClaimed: partial(owners.on_session_claimed, context),
                SessionMerged: partial(owners.on_session_merged, context),
                UserDeleted: partial(owners.on_user_deleted, context),
            },
        ),
        Consumer(
            broker,
            {
                ResumePaymentChanged: partial(payments.on_resume_payment_changed, context),
                SubscriptionChanged: partial(payments.on_subscription_changed, context),
            },
        ),
        Consumer(broker, {TemplateChanged: partial(templates.on_template_changed, context)}),
    ]
