"""Reading a file once and safely: what is hashed is what is parsed, and nothing but a regular file is ever opened."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import BinaryIO

from tercet.errors import ParseError

_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))


def hash_content(data: bytes) -> str:
    """The content hash that the ledger keeps: 32 hex digits of BLAKE2b.

    Example:
        >>> hash_content(b"Rotate keys every 90 days.")
        '62dd14fd5502d04db75164497ae7f3c8'
    """
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading; a pipe put in its place since it was found blocks nobody.

    Raises:
        ParseError: It is no regular file. The message is a reason without the name.
        OSError: It cannot be opened.
    """
    file = os.fdopen(os.open(path, _FLAGS), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ParseError("is not a regular file")
    return file


def read_file(path: str | os.PathLike[str], *, max_bytes: int) -> bytes:
    """Read a whole regular file.

    Args:
        path: The file.
        max_bytes: The largest file to read.

    Raises:
        ParseError: It cannot be read, is no regular file, is too large, or changes while it is read. The message is a
            reason without the name.
    """
    try:
        with open_file(path) as file:
            status = os.fstat(file.fileno())
            if status.st_size > max_bytes:
                raise ParseError(f"is larger than {max_bytes / 1e6:g} MB, the limit for one file")
            data = file.read(status.st_size + 1)
    except OSError as error:
        raise ParseError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(data) != status.st_size:
        raise ParseError("changed while it was read; run again when it is complete")
    return data
