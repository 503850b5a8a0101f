"""The environment variables that supervised programs inherit."""

import os
import re

_INHERITED = re.compile(
    r"PATH|HOME|USER|LANG|LC_\w+|TZ|TMPDIR|XDG_CACHE_HOME"
    r"|LD_LIBRARY_PATH|DYLD_\w+"  # the folder of Pango on some machines
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(?i:(https?|all|no)_proxy)"
)


def machine_environment() -> dict[str, str]:
    """Return the variables of the machine: paths, home, language, proxies. Leaves out settings such as LOG_LEVEL."""
    return {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
