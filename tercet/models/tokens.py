"""Counting tokens: the contract, and the counters that need no download."""

from __future__ import annotations

from typing import Protocol


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

    def count(self, text: str) -> int: ...

    def starts(self, text: str) -> list[int]:
        """Start offset (code points) of every token of ``text``, ascending, without special tokens."""
        ...
