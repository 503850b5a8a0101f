"""Every environment variable of the resumes service, read once."""

from cv_common.settings import BusSettings, DatabaseSettings, MediaSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings, BusSettings, MediaSettings):
    """Resumes asks templates for a template and the renderer for a PDF."""

    templates_url: str
    renderer_url: str
    session_lifetime: int = 90 * 24 * 3600
    """Seconds for which an anonymous resume that nobody opens is kept."""
    pdf_language: str = "fr"
    """Language of section titles and dates in a PDF when the request asks for none that we have."""
