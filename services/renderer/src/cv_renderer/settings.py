"""Every environment variable of the renderer, read once."""

import os

from cv_common.kernel.settings import DatabaseSettings, MediaSettings, NatsSettings, ServiceSettings
from pydantic import Field


class Settings(ServiceSettings, DatabaseSettings, NatsSettings, MediaSettings):
    """The renderer's own settings, beside those of every service with a database, NATS and media."""

    pdf_link_lifetime: int = Field(default=24 * 3600, ge=1)
    """Seconds until the link to a PDF expires."""
    render_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Documents that are rendered at the same time."""
    render_queue: int = Field(default=20, ge=0)
    """Documents that wait for a worker. Further requests get a 503."""
    render_cpu_seconds: int = Field(default=5, ge=1)
    """CPU seconds of one document. A document that needs more gets a 400. 20 pages of text take 1 to 3 seconds."""
