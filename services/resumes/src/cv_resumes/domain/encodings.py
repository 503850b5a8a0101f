"""Decode text files of unknown encoding."""

import codecs


def decode(content: bytes) -> tuple[str, bool]:
    """Return the text, and whether it is valid: UTF-16 with a byte order mark, or UTF-8.

    Lines that are not valid UTF-8 are decoded as Windows-1252. The other lines keep their letters.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
        return text, "\ufffd" not in text
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode(), True
    except UnicodeDecodeError:
        return "".join(_decode_line(line) for line in content.splitlines(keepends=True)), False


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")
