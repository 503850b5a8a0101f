"""NATS consumers of auth: each event calls one action."""

from functools import partial

from cv_common.messaging.broker import Broker
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import SubscriptionChanged

from cv_auth.actions import subscriptions
from cv_auth.actions.context import Context


def consumers(context: Context, broker: Broker) -> list[Consumer]:
    """Return one consumer for each stream that auth reads."""
    return [Consumer(broker, {SubscriptionChanged: partial(subscriptions.on_subscription_changed, context)})]
