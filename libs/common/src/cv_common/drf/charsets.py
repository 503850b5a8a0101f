"""The charset that a body says it is written in, as Django and its REST framework understand it."""

import codecs

from cv_common.kernel.errors import BadRequest
from python_multipart.multipart import parse_options_header

# Codecs of domain names, no charsets of bodies: decoding takes a time that grows with the square of the length.
_FOR_DOMAIN_NAMES = frozenset({"idna", "punycode"})


def charset_of(content_type: str) -> str:
    """The name of the codec to decode a body with: UTF-8 when none is named, or one that nobody knows.

    Raises BadRequest for a codec that is no charset, such as zlib's.
    """
    named = parse_options_header(content_type)[1].get(b"charset", b"utf-8").decode("latin-1")
    try:
        codec = codecs.lookup(named).name
    except (LookupError, ValueError):
        return "utf-8"
    try:
        "".encode(codec)  # what turns bytes into bytes, not into text, refuses here
    except (LookupError, UnicodeError):
        raise _unsupported(named) from None
    if codec in _FOR_DOMAIN_NAMES:
        raise _unsupported(named)
    return codec


def _unsupported(charset: str) -> BadRequest:
    return BadRequest(f'Unsupported charset "{charset}" in request Content-Type header.')
