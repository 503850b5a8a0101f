"""The context: what all actions need."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from cv_common.kernel.database import Database

from cv_payments.clients.catalog import Catalog
from cv_payments.clients.resumes import Resumes
from cv_payments.clients.stripe_api import StripeApi
from cv_payments.domain.subscriptions import GracePeriods
from cv_payments.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The service's settings, database, clients and limits."""

    settings: Settings
    database: Database
    resumes: Resumes
    stripe: StripeApi
    catalog: Catalog
    stripe_semaphore: asyncio.Semaphore
    """Limits the transactions that wait for Stripe: each holds a database connection, and others need some."""
    webhook_semaphore: asyncio.Semaphore
    """Limits the webhooks that are stored at once, so that a burst does not fill the queue of the database pool."""
    poll_semaphore: asyncio.Semaphore
    """Limits the polls that wait for Stripe. Other polls are answered from the database."""

    @property
    def grace(self) -> GracePeriods:
        return GracePeriods(
            renewal=timedelta(seconds=self.settings.renewal_grace),
            past_due=timedelta(seconds=self.settings.past_due_grace),
        )
