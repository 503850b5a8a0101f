"""Every environment variable of the renderer, read once."""

import os

from cv_common.kernel.settings import DatabaseSettings, MediaSettings, NatsSettings, ServiceSettings
from pydantic import Field


class Settings(ServiceSettings, DatabaseSettings, NatsSettings, MediaSettings):
    """How many documents are rendered at a time, how many may wait, and how long a PDF can be fetched."""

    pdf_link_lifetime: int = Field(default=24 * 3600, ge=1)
    """Seconds until the link to a PDF expires."""
    render_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    render_queue: int = Field(default=20, ge=0)
    render_cpu_seconds: int = Field(default=5, ge=1)
    """Processor time of one document; one that needs more is refused. 20 pages of text take 1 to 3 seconds."""
