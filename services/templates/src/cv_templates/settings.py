"""Every environment variable of the templates service, read once."""

from cv_common.kernel.settings import DatabaseSettings, MediaSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings, MediaSettings):
    """Templates asks the renderer for thumbnails, when a catalog is loaded."""

    renderer_url: str
