"""Every environment variable of the resumes service, read once."""

from cv_common.kernel.settings import DatabaseSettings, MediaSettings, NatsSettings, ServiceSettings

_MIB = 1024 * 1024


class Settings(ServiceSettings, DatabaseSettings, NatsSettings, MediaSettings):
    """Resumes asks templates for a template, the renderer for a PDF and, if there is one, a source of profiles."""

    templates_url: str
    renderer_url: str
    session_lifetime: int = 90 * 24 * 3600
    """Seconds for which an anonymous resume that nobody opens is kept."""
    max_anonymous_resumes: int = 20
    """How many resumes an anonymous session may have."""
    max_resumes: int = 500
    """How many resumes an account may have; those that a session brings along come on top."""
    pdf_language: str = "fr"
    """Language of section titles and dates in a PDF when the request asks for none that we have."""

    linkedin_source_url: str | None = None
    """Answers `GET ?url=<LinkedIn profile>` with a JSON Resume document; none: nothing is imported by URL."""
    linkedin_source_token: str | None = None
    """The bearer token that the source asks for."""
    linkedin_source_timeout: float = 10
    """Seconds that the source may take for a profile."""
    linkedin_source_limit: int = _MIB
    """Bytes of the largest profile that is read."""

    import_file_limit: int = 20 * _MIB
    """Bytes of the largest data export that is taken."""
    import_archive_files: int = 5000
    """How many files a data export may hold."""
    import_archive_unpacked: int = 256 * _MIB
    """Bytes of all its files together; only some of them are unpacked."""
    import_archive_read: int = 2 * _MIB
    """Bytes of the largest of its files that is read."""
    import_archive_ratio: int = 100
    """How many times smaller than itself a file in it may be."""
