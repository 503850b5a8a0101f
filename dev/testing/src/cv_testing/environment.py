"""What programs are told of the machine, and of its owner's own settings nothing: ENVIRONMENT=production, say."""

import os
import re

_INHERITED = re.compile(
    r"PATH|HOME|USER|LANG|LC_\w+|TZ|TMPDIR|XDG_CACHE_HOME"
    r"|LD_LIBRARY_PATH|DYLD_\w+"  # where Pango is, on some machines
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(?i:(https?|all|no)_proxy)"
)


def machine_environment() -> dict[str, str]:
    """The variables by which programs find other programs, their home, their language, and the way out."""
    return {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
