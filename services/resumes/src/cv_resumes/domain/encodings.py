"""The text of files that do not say how it is encoded."""

import codecs


def decoded(content: bytes) -> tuple[str, bool]:
    """The text, and whether it is sound: UTF-16 with a mark, or UTF-8 with or without one.

    Of a text that is meant to be UTF-8, each line that is not is taken for Windows-1252: it costs the others nothing.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
        return text, "\ufffd" not in text
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode(), True
    except UnicodeDecodeError:
        return "".join(_decoded_line(line) for line in content.splitlines(keepends=True)), False


def _decoded_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")
