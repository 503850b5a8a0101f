"""The environment variables of the resumes service."""

from cv_common.kernel.settings import DatabaseSettings, MediaSettings, NatsSettings, ServiceSettings

_MIB = 1024 * 1024


class Settings(ServiceSettings, DatabaseSettings, NatsSettings, MediaSettings):
    """The settings of resumes."""

    templates_url: str
    renderer_url: str
    session_lifetime: int = 90 * 24 * 3600
    """Seconds after which an unpaid anonymous resume that nobody opens is deleted."""
    max_anonymous_resumes: int = 20
    """The most resumes of an anonymous session."""
    max_resumes: int = 500
    """The most resumes of an account. Resumes of a claimed session may exceed it."""
    pdf_language: str = "fr"
    """The BCP 47 tag of the language of a PDF if neither the resume nor the request tells one."""

    linkedin_source_url: str | None = None
    """The URL that answers `GET ?url=<LinkedIn profile>` with a JSON Resume document. None: no import by URL."""
    linkedin_source_token: str | None = None
    """The bearer token for the source."""
    linkedin_source_timeout: float = 10
    """Seconds within which the source must answer."""
    linkedin_source_limit: int = _MIB
    """The most bytes of a profile."""

    import_file_limit: int = 20 * _MIB
    """The most bytes of a data export."""
    import_archive_files: int = 5000
    """The most files in a data export."""
    import_archive_unpacked: int = 256 * _MIB
    """The most bytes of all its files when unpacked. Only some of them are unpacked."""
    import_archive_read: int = 2 * _MIB
    """The most bytes of one of its files that is read."""
    import_archive_ratio: int = 100
    """The highest compression ratio of one of its files."""
