"""What spans of a text cost in tokens, for texts of any length."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.models.tokens import TokenCounter

_CHARACTERS_A_TOKEN = 32
"""A span costs at least a token for this many characters: a word that the tokenizer does not know is one token, however
long, and would otherwise make a chunk of megabytes."""

_WINDOW = 1 << 18
_KEPT = 4


class TokenCosts:
    """Counts the tokens of spans from where tokens start; call it with the ends of a span.

    The text is looked at in windows that end with lines, which bounds the memory that the counter needs. The starts of
    the last few windows are kept: spans that are asked for move forward with the cutting, and what lies behind is
    counted again should it be needed.

    Args:
        text: Of the document.
        counter: Finds tokens.
    """

    def __init__(self, text: str, counter: TokenCounter) -> None:
        self._text, self._counter = text, counter
        self._ends: list[int] = []
        self._totals = [0]
        """Tokens before each window."""
        self._starts: dict[int, Sequence[int]] = {}

    def __call__(self, start: int, end: int) -> int:
        """Tokens that start in ``text[start:end]``, and no fewer than its length allows."""
        return max(self._before(end) - self._before(start), -(-(end - start) // _CHARACTERS_A_TOKEN))

    def _before(self, offset: int) -> int:
        while not self._ends or self._ends[-1] < min(offset, len(self._text)):
            self._look_ahead()
        window = bisect_left(self._ends, offset)
        if window not in self._starts:
            self._keep(window, self._starts_of(window))
        return self._totals[window] + bisect_left(self._starts[window], offset - self._begin(window))

    def _look_ahead(self) -> None:
        begin = self._ends[-1] if self._ends else 0
        end = len(self._text)
        if end - begin > _WINDOW:
            end = self._text.rfind("\n", begin, begin + _WINDOW) + 1 or begin + _WINDOW
        self._ends.append(end)
        starts = self._starts_of(len(self._ends) - 1)
        self._totals.append(self._totals[-1] + len(starts))
        self._keep(len(self._ends) - 1, starts)

    def _keep(self, window: int, starts: Sequence[int]) -> None:
        if len(self._starts) == _KEPT:
            del self._starts[next(iter(self._starts))]
        self._starts[window] = starts

    def _starts_of(self, window: int) -> Sequence[int]:
        return self._counter.starts(self._text[self._begin(window) : self._ends[window]])

    def _begin(self, window: int) -> int:
        return self._ends[window - 1] if window else 0
