"""The charset of a request body, interpreted as Django and Django REST Framework do."""

import codecs
from contextlib import suppress

from python_multipart.multipart import parse_options_header

from cv_common.kernel.errors import BadRequest

# Codecs of domain names. They decode in a time that grows with the square of the length.
_DOMAIN_NAME_CODECS = frozenset({"idna", "punycode"})


def charset_of(content_type: str) -> str:
    """Return the name of the codec for a body: UTF-8 if `content_type` names no charset, or an unknown one.

    Raises BadRequest for a codec that is not a charset, such as zlib.
    """
    charset = parse_options_header(content_type)[1].get(b"charset", b"utf-8").decode("latin-1")
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return "utf-8"
    with suppress(LookupError, UnicodeError):
        "".encode(codec)  # raises for codecs from bytes to bytes
        if codec not in _DOMAIN_NAME_CODECS:
            return codec
    raise BadRequest(f'Unsupported charset "{charset}" in request Content-Type header.')
