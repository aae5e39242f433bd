"""Unpacking zip archives with the standard library, each member by itself: one that is damaged fails alone."""

from __future__ import annotations

import lzma
import os
import stat
import struct
import zipfile
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from tercet.errors import ParseError, SourceError
from tercet.ingestion.unpacking import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.ingestion.unpacking import Unpacker

_ENCRYPTED = 0x2041
"""Flag bits of a member that needs a password: plain, strong, and masked encryption."""
_UTF8_NAME = 0x800
_UNIX = 3
_ENTRY = b"PK\x01\x02"
"""Begins each entry of the directory at the end of a zip file."""
_LARGEST_ENTRY = 256
"""Bytes of the directory that each allowed member may take, on the average."""
_CAREFUL_CHUNK = 4096
"""For methods whose decoder cannot be told where to stop: what this much can grow to fits into memory."""
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    ValueError,  # of a UTF-8 name that is none, or an offset before the start
)


def unpack_zip(file: BinaryIO, into: Unpacker) -> None:
    """Write the members of a zip archive.

    Args:
        file: The archive, open for reading.
        into: Takes the members.

    Raises:
        SourceError: It is no zip archive, its directory is damaged, or it exceeds a limit.
    """
    try:
        archive = zipfile.ZipFile(_DirectoryGuard(file, into))
    except _DAMAGED as error:
        raise SourceError(
            f"{into.source} is damaged, cut short, or no zip archive: {error or type(error).__name__}.",
            remedy="Get or make it again; `unzip -t` tests it.",
        ) from None
    with archive:
        for member in archive.infolist():
            into.count()
            path = None if member.filename.endswith("/") else into.admit(_name(member))
            if path is None:
                continue
            reason = _refusal(member)
            if reason:
                into.refuse(path, reason)
            else:
                into.write(path, _content(archive, member, into), size=member.file_size)


def _name(member: zipfile.ZipInfo) -> str:
    """The name as its maker meant it: many write UTF-8 without saying so, and some a backslash for a slash."""
    name = member.orig_filename
    if not member.flag_bits & _UTF8_NAME and not name.isascii():
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _refusal(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16) if member.create_system == _UNIX else 0
    if kind == stat.S_IFLNK:
        return "is a link; links in archives are not followed"
    if kind not in (0, stat.S_IFREG):
        return "is not a regular file"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted; unpack the archive with its password and ingest the folder"
    return ""


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Unpacker) -> Iterator[bytes]:
    bounded = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    try:
        with archive.open(member) as file:
            while piece := file.read(CHUNK if bounded else _CAREFUL_CHUNK):
                into.spend(len(piece))
                yield piece
    except (*_DAMAGED, OSError, RuntimeError) as error:  # bzip2 says OSError, encryption RuntimeError
        raise ParseError(f"is damaged in the archive: {error or type(error).__name__}") from None


class _DirectoryGuard:
    """The archive's file; refuses to hand out a directory of more entries than allowed, which would fill the memory."""

    def __init__(self, file: BinaryIO, into: Unpacker) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._into = into
        self.seek, self.tell, self.seekable = self._file.seek, self._file.tell, self._file.seekable

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            size = max(0, self._size - self._file.tell())
        limit = self._into.limits.max_members
        if size > max(1 << 20, limit * _LARGEST_ENTRY):
            raise zipfile.BadZipFile("its directory is too large")
        data = self._file.read(size)
        if size > 1 << 20 and data.count(_ENTRY) > limit:
            raise zipfile.BadZipFile(f"its directory has more than {limit:,} entries, the limit for one source")
        return data
