"""Untrusted ZIP archives: checked before any entry is opened, and read within limits."""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from cv_resumes.domain.encodings import decode

_ENTRY = b"PK\x01\x02"
"""The signature of an entry in the directory. Counting signatures is cheaper than parsing the directory."""
_HEADER_BYTES = 1024
_SLACK = 1024
"""Bytes added to the compressed size, because small files may exceed the ratio."""
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The compression methods that exports use. Both can be unpacked in chunks."""
_DRIVE = re.compile("[A-Za-z]:")
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError, LookupError,
)  # fmt: skip
"""The exceptions of `zipfile` for damaged and malicious archives."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most files, unpacked bytes, bytes of one file that is read, and compression ratio of an archive."""

    files: int
    unpacked: int
    read: int
    ratio: int


class InvalidArchive(Exception):
    """The archive is refused. The message is for the user who uploaded it."""


class Archive:
    """A ZIP archive without passwords, links, nested archives and paths outside of it, within the limits."""

    def __init__(self, content: bytes, limits: Limits) -> None:
        self._limits = limits
        if content.count(_ENTRY) > limits.files:
            raise InvalidArchive(f"The ZIP archive holds more than {limits.files} files.")
        with _readable():
            self._zip = zipfile.ZipFile(BytesIO(content))
        for entry in self._zip.infolist():
            self._check(entry)
        if sum(entry.file_size for entry in self._zip.infolist()) > limits.unpacked:
            raise InvalidArchive(f"The ZIP archive is larger than {_megabytes(limits.unpacked)} when unpacked.")
        self.files = [entry for entry in self._zip.infolist() if not entry.is_dir()]

    def beginning(self, file: zipfile.ZipInfo) -> str:
        """Return the first lines of a file. Nothing more is read. Raises InvalidArchive."""
        with _readable(), self._zip.open(file) as stream:
            return decode(stream.read(_HEADER_BYTES))[0]

    def read(self, file: zipfile.ZipInfo) -> bytes:
        """Return the content of a file. Raises InvalidArchive if it is damaged or too large."""
        with _readable(), self._zip.open(file) as stream:
            content = stream.read(self._limits.read + 1)
        if len(content) > self._limits.read:
            raise InvalidArchive(f"{base_name(file)} is larger than {_megabytes(self._limits.read)}.")
        return content

    def _check(self, entry: zipfile.ZipInfo) -> None:
        """Refuse what no data export contains. Sizes are the directory's, and reading never exceeds them."""
        if entry.flag_bits & _ENCRYPTED:
            raise InvalidArchive("The ZIP archive is protected by a password.")
        if not _is_inside(entry.orig_filename):
            raise InvalidArchive("The ZIP archive holds a path that leads outside of it.")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InvalidArchive("The ZIP archive holds a link or a device.")
        if entry.compress_type not in _METHODS:
            raise InvalidArchive("The ZIP archive is compressed in a way that is not read here.")
        if entry.filename.lower().endswith(".zip"):
            raise InvalidArchive("The ZIP archive holds another one. Upload the export as LinkedIn made it.")
        if entry.file_size > self._limits.ratio * (entry.compress_size + _SLACK):
            raise InvalidArchive("The ZIP archive holds a file that is compressed beyond belief.")


def base_name(file: zipfile.ZipInfo) -> str:
    """Return the name of a file without its folders, at most 100 characters."""
    return file.filename.replace("\\", "/").rpartition("/")[2][:100]


def _is_inside(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return ".." not in parts and parts[0] != "" and not _DRIVE.match(path) and "\x00" not in path


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except _BROKEN:
        raise InvalidArchive("The file is not a ZIP archive, or it is damaged.") from None


def _megabytes(size: int) -> str:
    return f"{size / 2**20:g} MB"
