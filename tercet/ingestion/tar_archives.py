"""Unpacking tar archives as one stream, forward only, each byte counted.

Headers are decoded by the standard library. The loop over them is our own, because ``tarfile`` takes a damaged header
for the end of the archive, and reads extended headers of any size into memory, in more than linear time.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from tercet.errors import SourceError
from tercet.ingestion.unpacking import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.ingestion.unpacking import Unpacker

try:
    _zstd: Any = import_module("compression.zstd")
except ImportError:  # before Python 3.14
    _zstd = None

_UNREADABLE: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error, lzma.LZMAError)
if _zstd is not None:
    _UNREADABLE += (_zstd.ZstdError,)

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(_BLOCK)
_LARGEST_HEADER = 1 << 20
_LARGEST_SIZE = 1 << 60
_XZ_MEMORY = 256 << 20
"""Bytes that a decoder may take; the highest level of ``xz`` needs 65 MiB."""
_LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
_SPECIAL = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _DamagedError(Exception):
    """What is wrong with the archive, as the end of a sentence."""


def unpack_tar(file: BinaryIO, into: Unpacker) -> None:
    """Write the members of a tar archive, which may be compressed by gzip, bzip2, xz or zstd.

    Args:
        file: The archive, open for reading.
        into: Takes the members.

    Raises:
        SourceError: It is no tar archive, is damaged or cut short, or exceeds a limit.
    """
    try:
        stream = _Stream(file, into)
        _unpack(stream, into)
        stream.finish()
    except (_DamagedError, tarfile.HeaderError) as error:
        raise SourceError(
            f"{into.source} is damaged, cut short, or no tar archive: {str(error).rstrip('.')}.",
            remedy="Get or make it again; `tar -tf` tests it.",
        ) from None


class _Stream:
    """The decompressed bytes of an archive."""

    def __init__(self, file: BinaryIO, into: Unpacker) -> None:
        self._file = file
        self._source, self._compressed = _decompressed(file, into)
        self._into = into

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or fewer at the end."""
        pieces = []
        while size and (piece := self._piece(min(size, CHUNK))):
            self._into.spend(len(piece))
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except _UNREADABLE as error:
            raise _DamagedError(str(error)) from None

    def content(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes in pieces."""
        while size:
            piece = self.read(min(size, CHUNK))
            if not piece:
                raise _DamagedError("it ends in the middle of a member")
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> None:
        """Pass over the next ``size`` bytes."""
        if self._compressed:
            for _ in self.content(size):
                pass
        elif size:
            self._file.seek(size, io.SEEK_CUR)

    def finish(self) -> None:
        """Read on to the end, where compressed streams have their checksum."""
        while self._compressed and self.read(CHUNK):
            pass


def _unpack(stream: _Stream, into: Unpacker) -> None:
    extended: dict[str, str] = {}
    while (block := stream.read(_BLOCK)) != _END:
        if len(block) < _BLOCK:
            raise _DamagedError("it has no end mark")
        into.count()
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if not 0 <= header.size < _LARGEST_SIZE:
            raise _DamagedError(f"a member claims a size of {header.size} bytes")
        if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            extended |= _records(_header_body(stream, header.size))
        elif header.type == tarfile.GNUTYPE_LONGNAME:
            name = _header_body(stream, header.size).partition(b"\0")[0]
            extended["path"] = name.decode("utf-8", "surrogateescape")
        elif header.type in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
            _header_body(stream, header.size)
        else:
            if header.type == tarfile.GNUTYPE_SPARSE:
                extended["GNU.sparse"] = ""
                _skip_sparse_map(stream, block)
            _take(stream, header, extended, into)
            extended = {}


def _take(stream: _Stream, header: tarfile.TarInfo, extended: dict[str, str], into: Unpacker) -> None:
    """One member: its content is written, or passed over."""
    link, special = header.type in _LINKS, header.type in _SPECIAL
    size = 0 if link or special or header.isdir() else _size(header, extended)
    left = size
    path = into.admit(extended.get("path", header.name)) if header.isreg() or link or special else None
    if path is not None:
        if link:
            into.refuse(path, "is a link; links in archives are not followed")
        elif special:
            into.refuse(path, "is a device or a pipe, not a regular file")
        elif any(key.startswith("GNU.sparse") for key in extended):
            into.refuse(path, "is stored with holes; pack it without --sparse")
        else:
            content = _Counted(stream.content(size))
            into.write(path, content, size=size)
            left -= content.taken
    stream.skip(left + -size % _BLOCK)


class _Counted:
    """Pieces, and how many bytes of them were taken: a member that is refused halfway leaves the rest to be skipped."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.taken += len(piece)
            yield piece


def _size(header: tarfile.TarInfo, extended: dict[str, str]) -> int:
    text = extended.get("size", str(header.size))
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _DamagedError(f"a member claims a size of {text[:20]!r} bytes")
    return int(text)


def _header_body(stream: _Stream, size: int) -> bytes:
    if size > _LARGEST_HEADER:
        raise _DamagedError(f"a header claims {size:,} bytes")
    body = b"".join(stream.content(size))
    stream.skip(-size % _BLOCK)
    return body


def _records(body: bytes) -> dict[str, str]:
    """The records of an extended header that matter here: ``"27 path=guide/keys.md\\n"`` and the like."""
    found = {}
    position = 0
    while position < len(body):
        space = body.find(b" ", position, position + 12)
        length = body[position : max(position, space)]
        end = position + (int(length) if length.isdigit() else 0)
        record = body[space + 1 : end]
        if not position < space < end <= len(body) or not record.endswith(b"\n"):
            raise _DamagedError("an extended header has a record without end")
        key, _, value = record[:-1].partition(b"=")
        if key in (b"path", b"size") or key.startswith(b"GNU.sparse"):
            found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        position = end
    return found


def _skip_sparse_map(stream: _Stream, block: bytes) -> None:
    """The map of a sparse member goes on in blocks of its own while a flag says so."""
    more = block[482]
    while more:
        following = stream.read(_BLOCK)
        if len(following) < _BLOCK:
            raise _DamagedError("it ends in the middle of a header")
        more = following[504]


def _decompressed(file: BinaryIO, into: Unpacker) -> tuple[_Readable, bool]:
    """The stream behind the compression that the first bytes tell, whatever the name says; and whether there is one."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file, mode="rb"), True
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file), True
    if start.startswith(b"\xfd7zXZ\0"):
        return _XzFile(file), True
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        if _zstd is None:
            raise SourceError(
                f"{into.source} is compressed by zstd, which this Python cannot read.",
                remedy="Use Python 3.14 or newer, or decompress it with `zstd -d`.",
            )
        reader: _Readable = _zstd.ZstdFile(file)
        return reader, True
    return file, False


class _XzFile:
    """Reads xz streams, one after the other, with a bound on memory that ``lzma.LZMAFile`` does not have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = self._new()
        self._data = b""

    def _new(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        piece = b""
        while not piece:
            if self._decoder.eof:
                self._data = (self._decoder.unused_data or self._file.read(CHUNK)).lstrip(b"\0")
                if not self._data:
                    break
                self._decoder = self._new()
            elif self._decoder.needs_input and not self._data:
                self._data = self._file.read(CHUNK)
                if not self._data:
                    raise EOFError("it ends in the middle of a compressed stream")
            data, self._data = self._data, b""
            piece = self._decoder.decompress(data, size)
        return piece
