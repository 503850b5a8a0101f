"""The environment variables of the templates service, read once at startup."""

from cv_common.kernel.settings import DatabaseSettings, MediaSettings, NatsSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings, NatsSettings, MediaSettings):
    """Templates calls the renderer for thumbnails when a catalog is loaded."""

    renderer_url: str
