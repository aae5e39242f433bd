"""Gzip, unpacked no further than a limit: a few kilobytes can unpack to gigabytes."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from tercet.ingestion.web.failures import PageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"\x1f\x8b"
"""What gzip data begins with."""

_STEP = 16_384
_MAX_MEMBERS = 1_000


def gunzip(chunks: Iterable[bytes], *, limit: int) -> Iterator[bytes]:
    """Unpack gzip data piece by piece, its members one after the other.

    Args:
        chunks: The packed data.
        limit: Bytes that may come out; the first piece beyond it is still given, so that the reader can tell.

    Raises:
        PageError: The data is damaged, incomplete, or cut into absurdly many members.

    Example:
        >>> import gzip
        >>> b"".join(gunzip([gzip.compress(b"keys")], limit=100))
        b'keys'
    """
    unpacker, members, given = zlib.decompressobj(zlib.MAX_WBITS | 16), 1, 0
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), _STEP):
                data = chunk[start : start + _STEP]
                while data and given <= limit:
                    if unpacker.eof:
                        if not data.strip(b"\0"):  # tape programs pad with zeros
                            break
                        unpacker, members = zlib.decompressobj(zlib.MAX_WBITS | 16), members + 1
                        if members > _MAX_MEMBERS:
                            raise PageError("is compressed in too many parts")
                    piece = unpacker.decompress(data, limit - given + 1)
                    given += len(piece)
                    if piece:
                        yield piece
                    data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    except zlib.error:
        raise PageError("is damaged: its compressed content cannot be unpacked") from None
    if given <= limit and not unpacker.eof:
        raise PageError("is incomplete: its compressed content ends too early")
