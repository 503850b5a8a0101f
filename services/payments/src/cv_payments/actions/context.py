"""What the actions act with."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from cv_common.kernel.database import Database

from cv_payments.clients.catalogue import Catalogue
from cv_payments.clients.resumes import Resumes
from cv_payments.clients.stripe_api import Stripe
from cv_payments.domain.subscriptions import Grace
from cv_payments.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The service's settings, its database, and whom it asks."""

    settings: Settings
    database: Database
    resumes: Resumes
    stripe: Stripe
    catalogue: Catalogue
    slots: asyncio.Semaphore
    """Each piece of Stripe's news holds a database connection while Stripe is asked: some are left for others."""
    letterbox: asyncio.Semaphore
    """A burst of webhooks waits here, not at the database's pool, where everybody else would wait behind it."""

    polls: asyncio.Semaphore
    """Polls that ask Stripe at the same time; the others are answered from the database."""

    @property
    def grace(self) -> Grace:
        """How long access outlasts what was paid for."""
        return Grace(
            renewal=timedelta(seconds=self.settings.renewal_grace),
            past_due=timedelta(seconds=self.settings.past_due_grace),
        )
