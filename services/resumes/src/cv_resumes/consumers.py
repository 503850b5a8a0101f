"""The NATS door of resumes: each event calls one action."""

from functools import partial

from cv_common.bus import Bus, Consumer
from cv_common.events import ResumePaymentChanged, SessionClaimed, SubscriptionChanged, UserDeleted

from cv_resumes import actions
from cv_resumes.actions import Context


def consumers(context: Context, bus: Bus) -> list[Consumer]:
    """One consumer for each stream that resumes listens to."""
    return [
        Consumer(
            bus,
            {
                SessionClaimed: partial(actions.on_session_claimed, context),
                UserDeleted: partial(actions.on_user_deleted, context),
            },
        ),
        Consumer(
            bus,
            {
                ResumePaymentChanged: partial(actions.on_resume_payment_changed, context),
                SubscriptionChanged: partial(actions.on_subscription_changed, context),
            },
        ),
    ]
