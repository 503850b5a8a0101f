"""ZIP archives from strangers: checked before anything in them is opened, and read within limits."""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from cv_resumes.domain.encodings import decoded

_ENTRY = b"PK\x01\x02"
"""How each entry of an archive's directory begins: counting these is cheaper than reading them."""
_HEADER_BYTES = 1024
_SLACK = 1024
"""Bytes by which a small file may compress better than the ratio allows."""
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The methods that exports use, and that can be unpacked a little at a time."""
_DRIVE = re.compile("[A-Za-z]:")
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError, LookupError,
)  # fmt: skip
"""What `zipfile` raises on archives that are damaged, or made to look so."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold: files, bytes when unpacked, bytes of one file that is read, compression."""

    files: int
    unpacked: int
    read: int
    ratio: int


class InvalidArchive(Exception):
    """The archive is not taken; the message is for whoever sent it."""


class Archive:
    """A ZIP archive without passwords, links, archives in it, paths that lead outside, or more than the limits."""

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

    def first_line(self, file: zipfile.ZipInfo) -> str:
        """The first line of a file, of which nothing more is read. Raises InvalidArchive."""
        with _readable(), self._zip.open(file) as stream:
            return next(iter(decoded(stream.read(_HEADER_BYTES))[0].splitlines()), "")

    def read(self, file: zipfile.ZipInfo) -> bytes:
        """A whole file. Raises InvalidArchive when it is damaged or too large."""
        with _readable(), self._zip.open(file) as stream:
            content = stream.read(self._limits.read + 1)
        if len(content) > self._limits.read:
            raise InvalidArchive(f"{base_name(file)} is larger than {_megabytes(self._limits.read)}.")
        return content

    def _check(self, entry: zipfile.ZipInfo) -> None:
        """Refuse what no data export holds. Sizes are the directory's; reading never goes beyond them."""
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
    """The name of a file without its folders, short enough to be told."""
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
