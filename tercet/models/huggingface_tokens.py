"""Exact token counts from a Hugging Face ``tokenizer.json``, by the `tokenizers` library."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError
from tercet.models.wordwise_tokens import WordwiseTokens, works_by_word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tercet.models.tokens import TokenCounter

_SEGMENT = 16_384
"""Characters tokenised at a time: an encoding costs about 100 bytes a token, whatever the size of the text."""


class HuggingFaceTokens:
    """Counts as the embedder does, without its truncation. Loading takes about 30 ms; safe to share between threads.

    Args:
        file: A ``tokenizer.json``.

    Raises:
        ConfigurationError: The file cannot be read as a tokenizer.
    """

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        try:
            content = file.read_bytes()
            self._tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # the library raises bare Exception
            raise ConfigurationError(
                f"{file} cannot be read as a tokenizer: {error}", remedy="Name a tokenizer.json file."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.special_tokens = int(self._tokenizer.num_special_tokens_to_add(is_pair=False))
        self.name = f"huggingface-{hashlib.blake2b(content, digest_size=4).hexdigest()}"

    def count(self, text: str) -> int:
        """Tokens of the text, special tokens excluded."""
        return sum(len(self._tokenizer.encode(segment, add_special_tokens=False)) for _, segment in _segments(text))

    def starts(self, text: str) -> list[int]:
        """Start offset of every token, in code points, ascending."""
        found: list[int] = []
        for offset, segment in _segments(text):
            encoding = self._tokenizer.encode(segment, add_special_tokens=False)
            found.extend(offset + start for start, _ in encoding.offsets)
        return found

    def by_word(self) -> TokenCounter:
        """A faster counter of equal counts where the tokenizer looks at each word alone; else this one."""
        if not works_by_word(self._tokenizer):
            return self
        return WordwiseTokens(self, [token.content for token in self._tokenizer.get_added_tokens_decoder().values()])


def _segments(text: str) -> Iterator[tuple[int, str]]:
    """Cut a long text at white space, so that no word is torn (a word longer than a segment is cut anyway)."""
    start = 0
    while len(text) - start > _SEGMENT:
        end = start + _SEGMENT
        while end > start and not text[end].isspace():
            end -= 1
        if end == start:
            end = start + _SEGMENT
        yield start, text[start:end]
        start = end
    if start < len(text):
        yield start, text[start:]
