"""Byte-pair counts of prompts by `tiktoken`: with ranks of our own that ship here, or with those of OpenAI's models.

The adapter of `tiktoken`, which is imported when a counter is made.
"""

from __future__ import annotations

import math
import struct
import threading
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, CounterUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tiktoken

RANKS_FILE = Path(__file__).with_name("token_ranks.bin")
"""Written by ``scripts/train_token_ranks.py``: 256 single bytes and the merges, zlib-compressed."""

PATTERN = "|".join(
    (
        r"\p{Han}",
        r"[^\r\n\p{L}\p{N}]?\p{Lu}{0,32}[\p{Ll}\p{Lt}\p{Lm}\p{M}[\p{Lo}&&[^\p{Han}]]]{1,32}(?i:'(?:[sdmt]|ll|re|ve))?",
        r"[^\r\n\p{L}\p{N}]?\p{Lu}{1,32}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]{1,32}[\r\n]{0,32}",
        r"[^\S\r\n]{0,64}[\r\n]{1,32}",
        r"[^\S\r\n]{1,64}(?!\S)",
        r"[^\S\r\n]{1,64}",
    )
)
"""Cuts a text into the pieces within which tokens are counted: a Chinese character, a word with the space or sign
before it, up to three digits, signs, white space. Every piece is bounded, so that time is linear in the text; and none
goes on after a line end, so that the counts of whole lines add up."""

# Chosen on one half of the samples by `benchmarks/token_counters.py --calibrate`, judged on the other.
_FACTOR, _ROOT, _OFFSET = 1.056, 0.1, 0.0

PUBLISHED = {
    "o200k_base": ("fb374d419588a4632f3f557e76b4b70aebbca790", 3_613_922),
    "cl100k_base": ("9b5ad71b2ce5302211f9c61530b329a4922fc6a4", 1_681_126),
}


class DefaultCounter:
    """An upper estimate of the tokens of current models, from ranks that ship with Tercet: nothing is downloaded.

    Beside o200k_base it counts 9 to 14 % more on English, most code and JSON, 19 % on C++ headers, and 29 to 55 % on
    German, Chinese and emoji; at most 1 % of samples count less, but 2.7 % of one kind of manual.
    ``docs/performance.md`` has the table. Safe to share between threads. Loading takes about 0.1 s, once in a process.

    Example:
        >>> DefaultCounter().count("Keys rotate every 90 days.") >= 7
        True
    """

    name = f"tercet-2:{_FACTOR}"

    def __init__(self) -> None:
        self._encoding = _own_encoding()

    def count(self, text: str) -> int:
        """Tokens of the text, estimated high; 0 for no text."""
        return self.total(self.measure(text))

    def measure(self, text: str) -> int:
        """Tokens before the margin. They add up where the left text ends a line and the right begins with no line end.

        Example:
            >>> counter = DefaultCounter()
            >>> counter.measure("one\\n") + counter.measure("two") == counter.measure("one\\ntwo")
            True
        """
        return len(self._encoding.encode_ordinary(text))

    def total(self, measured: int) -> int:
        """Tokens to reckon with for a text of that measure; grows with it."""
        return math.ceil(_FACTOR * measured + _ROOT * math.sqrt(measured) + _OFFSET) if measured else 0


class TiktokenCounter:
    """The exact counter of a published encoding. Naming it is the permission to fetch its ranks, once, if need be.

    Args:
        name: ``"o200k_base"`` or ``"cl100k_base"``. Their ranks are read from the folder ``TIKTOKEN_CACHE_DIR``;
            `tiktoken` downloads them from openaipublic.blob.core.windows.net if they are not there.

    Raises:
        ConfigurationError: There is no such encoding here.
        CounterUnavailableError: The ranks are neither on disk nor to be had.
    """

    def __init__(self, name: str) -> None:
        if name not in PUBLISHED:
            raise ConfigurationError(
                f"there is no encoding {name!r} to count with.", remedy=f"Use {' or '.join(sorted(PUBLISHED))}."
            )
        self._encoding = _published_encoding(name)
        self.name = name

    def count(self, text: str) -> int:
        """Tokens of the text, as the encoding has them; special tokens count as the text they look like."""
        return self.measure(text)

    def measure(self, text: str) -> int:
        """The count."""
        return len(self._encoding.encode_ordinary(text))

    def total(self, measured: int) -> int:
        """The same: an exact counter has no margin."""
        return measured


def pack_ranks(tokens: Sequence[bytes]) -> bytes:
    """The ranks as a file: their number, the length of each, all of them one after the other; compressed."""
    header = struct.pack("<I", len(tokens)) + bytes(map(len, tokens))
    return zlib.compress(header + b"".join(tokens), 9)


def unpack_ranks(data: bytes) -> dict[bytes, int]:
    """The token and rank of each entry of a file by ``pack_ranks``."""
    content = zlib.decompress(data)
    (size,) = struct.unpack_from("<I", content)
    at = 4 + size
    ranks = {}
    for rank, length in enumerate(content[4:at]):
        ranks[content[at : at + length]] = rank
        at += length
    return ranks


_loading = threading.Lock()


def _own_encoding() -> tiktoken.Encoding:
    with _loading:
        return _load_own()


@cache
def _load_own() -> tiktoken.Encoding:
    import tiktoken

    try:
        ranks = unpack_ranks(RANKS_FILE.read_bytes())
    except (OSError, ValueError, zlib.error, struct.error) as error:
        raise CounterUnavailableError(
            f"the token ranks {RANKS_FILE} cannot be read: {error}.", remedy="Install Tercet again."
        ) from error
    return tiktoken.Encoding("tercet-2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def _published_encoding(name: str) -> tiktoken.Encoding:
    import tiktoken

    try:
        return tiktoken.get_encoding(name)
    except Exception as error:  # a download fails in as many ways as there are networks
        file, size = PUBLISHED[name]
        raise CounterUnavailableError(
            f"the ranks of {name} are not on this machine, and tiktoken could not download them from "
            f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken "
            f"({size / 1e6:.1f} MB): {type(error).__name__}: {error}.",
            remedy=f"Allow that address once, or save the file as {file} in a folder and name that in "
            "TIKTOKEN_CACHE_DIR; or use the counter 'default', which needs no download.",
        ) from error
