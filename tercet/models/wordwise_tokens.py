"""Token counts word by word, with a memory of the words seen: documents repeat their words.

Exact only for tokenizers that look at each word alone, as BERT's do: they split at white space and punctuation before
anything else. `works_by_word` tells which ones do.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tercet.models.tokens import TokenCounter

_WORDS = re.compile(r"[^ \n]+")
_PIECES = re.compile(r"[0-9A-Za-z]+|[^0-9A-Za-z]")
_REMEMBERED = 1 << 17
_LONGEST = 64


def works_by_word(tokenizer: Any) -> bool:  # noqa: ANN401 - of the optional library `tokenizers`
    """Whether a `tokenizers.Tokenizer` gives each word the same tokens wherever it stands."""
    names = [type(part).__name__ for part in (tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.model)]
    added = tokenizer.get_added_tokens_decoder().values()
    apart = all(not (token.lstrip or token.rstrip or re.search(r"\s", token.content)) for token in added)
    return names == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and apart


class WordwiseTokens:
    """Gives the counts of another counter, two to four times as fast on documents; safe to share between threads.

    Args:
        counter: An exact counter whose tokenizer works by word.
        special: The texts that its tokenizer takes for one token each, such as ``[SEP]``.
    """

    def __init__(self, counter: TokenCounter, special: Iterable[str] = ()) -> None:
        self._counter = counter
        self._special = tuple(special)
        self._words: dict[str, tuple[int, ...]] = {}
        self._pieces: dict[str, tuple[int, ...]] = {}
        self.name = counter.name
        self.special_tokens = counter.special_tokens

    def count(self, text: str) -> int:
        """Tokens of the text, special tokens excluded."""
        known, offsets = self._words.get, self._offsets
        return sum([len(known(word) or offsets(word)) for word in _WORDS.findall(text)])

    def starts(self, text: str) -> list[int]:
        """Start offset of every token, in code points, ascending."""
        known, offsets = self._words.get, self._offsets
        return [
            match.start() + offset
            for match in _WORDS.finditer(text)
            for offset in known(match.group()) or offsets(match.group())
        ]

    def _offsets(self, word: str) -> tuple[int, ...]:
        """Where the tokens of a word begin in it."""
        if len(word) > _LONGEST or not (word.isascii() and word.isprintable()) or any(s in word for s in self._special):
            found = tuple(self._counter.starts(word))
        else:
            pieces = _PIECES.finditer(word)
            found = tuple(chain.from_iterable(self._of_piece(piece.group(), piece.start()) for piece in pieces))
        if len(word) <= _LONGEST:
            _remember(self._words, word, found)
        return found

    def _of_piece(self, piece: str, at: int) -> tuple[int, ...]:
        found = self._pieces.get(piece)
        if found is None:
            found = tuple(self._counter.starts(piece))
            _remember(self._pieces, piece, found)
        return tuple(at + offset for offset in found) if at else found


def _remember(memory: dict[str, tuple[int, ...]], key: str, value: tuple[int, ...]) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value
