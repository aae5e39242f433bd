"""Counting tokens: the contract, and the counters that need no download."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class TokenCounter(Protocol):
    """Counts tokens of texts, and finds where they start, so that a span's count needs no second pass."""

    @property
    def name(self) -> str:
        """Names the counter in reports and in configuration hashes."""
        ...

    @property
    def special_tokens(self) -> int:
        """Tokens that the model adds to every text (such as [CLS] and [SEP]); not part of ``count``."""
        ...

    def count(self, text: str) -> int:
        """Tokens of ``text``, special tokens excluded."""
        ...

    def starts(self, text: str) -> list[int]:
        """Start offset (code points) of every token of ``text``, ascending, without special tokens."""
        ...


_PIECES = re.compile(r"[^\W\d_]{1,3}|\d|_|[^\w\s]", re.ASCII)


class WordEstimate:
    """Estimates WordPiece tokens without a vocabulary: three letters, one digit or one sign a token."""

    name = "words-1"
    special_tokens = 2

    def count(self, text: str) -> int:
        """Tokens of the text, estimated high."""
        return sum(1 for _ in _PIECES.finditer(text))

    def starts(self, text: str) -> list[int]:
        """Where each estimated token starts."""
        return [match.start() for match in _PIECES.finditer(text)]


def token_counter(tokenizer_file: Path | None) -> TokenCounter:
    """The exact counter of a ``tokenizer.json``, or the built-in estimate when there is none.

    Raises:
        ConfigurationError: The file cannot be read as a tokenizer.
    """
    if tokenizer_file is None:
        return WordEstimate()
    from tercet.models.huggingface_tokens import HuggingFaceTokens  # noqa: PLC0415

    return HuggingFaceTokens(tokenizer_file).by_word()
