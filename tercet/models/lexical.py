"""Words and their weights: the analyzer and BM25.

A text becomes terms in three steps: compatibility characters are unified (NFKC), one pass of a regular expression finds
words and identifiers, and each of these is turned into terms, once per distinct spelling and then remembered.

* Plain words are case-folded, dropped if they are stop words, and stemmed (Snowball).
* Identifiers (``getUserName``, ``snake_case``, ``--flag-name``, ``a.b.c``, ``1.2.3``, ``HTTP2Server``) are kept whole,
  unstemmed, and their pieces are added as plain words, so that the exact name ranks first and its words are found too.
  A name inside a longer one (``read_csv`` in ``pl.read_csv``) is a term as well, and so is the spelling of a qualified
  name that has capitals: ``Serializer.data`` is the class, ``serializer.data`` any instance of it.
* Scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) give overlapping pairs of characters.

Accents are removed from Latin letters only where the language is English ("café" finds "cafe"); elsewhere they tell
words apart and the stemmers need them. Stop words exist for English only; other languages are stemmed alone.
"""

from __future__ import annotations

import math
import re
import struct
import threading
import unicodedata
from collections import Counter
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import numpy as np

from tercet.errors import ConfigurationError, CorruptMemoryError
from tercet.models.identifiers import find_tokens, is_identifier, terms_of
from tercet.models.stopwords import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tercet.settings import LexicalConfig

T = TypeVar("T")

_CACHE_ENTRIES = 200_000
_CACHE_TOKEN_LENGTH = 64
_WIDE_COUNTS = 1 << 31
_BUCKET_BASE = 1.25
PIECE_WEIGHT = 0.5
"""Of a piece beside the whole name, in a query of names alone: at 1 the pieces outweigh one rare name among 570."""
_LATIN_ACCENT = re.compile("(?<=[a-z])[\u0300-\u036f]+")


class TermCounts(NamedTuple):
    """The analysed terms of one text: ids (uint32, ascending, unique), how often each occurs, and how many in all.

    A count stops at 65,535; ``length`` does not.
    """

    ids: NDArray[np.uint32]
    counts: NDArray[np.uint16]
    length: int

    def to_bytes(self) -> bytes:
        """Pack little endian: the length and a width bit (4 bytes), the ids (4 each), the counts (1 each, or 2)."""
        wide = bool(len(self.counts)) and int(self.counts.max()) > 255
        header = struct.pack("<I", self.length | (_WIDE_COUNTS if wide else 0))
        return header + self.ids.astype("<u4").tobytes() + self.counts.astype("<u2" if wide else "u1").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> TermCounts:
        """Unpack ``to_bytes``.

        Raises:
            CorruptMemoryError: The bytes are not of that form.
        """
        if len(data) < 4:
            raise CorruptMemoryError(f"term counts need at least 4 bytes, found {len(data)}.")
        (header,) = struct.unpack_from("<I", data)
        width = 2 if header & _WIDE_COUNTS else 1
        terms, rest = divmod(len(data) - 4, 4 + width)
        if rest:
            raise CorruptMemoryError(f"term counts of {len(data)} bytes are cut off.")
        ids = np.frombuffer(data, "<u4", terms, 4).astype(np.uint32)
        counts = np.frombuffer(data, "<u2" if width == 2 else "u1", terms, 4 + 4 * terms).astype(np.uint16)
        return cls(ids, counts, header & ~_WIDE_COUNTS)


class Analyzer:
    """Text to terms. Equal config, equal terms, on every machine. Safe to share between threads.

    Args:
        config: Its language (a Snowball name, or ``"none"``) and whether identifiers are split.

    Raises:
        ConfigurationError: The language is unknown.

    Example:
        >>> from tercet.settings import LexicalConfig
        >>> Analyzer(LexicalConfig()).terms("Calling getUserName rotates the keys")
        ['call', 'getusername', 'get', 'user', 'name', 'rotat', 'key']
    """

    def __init__(self, config: LexicalConfig) -> None:
        self.config = config
        self._stop_words = STOP_WORDS.get(config.language, frozenset())
        self._stem, self._stemmer_release = _stemmer(config.language)
        self._terms: dict[str, tuple[str, ...]] = {}
        self._ids: dict[str, tuple[int, ...]] = {}

    @property
    def version(self) -> str:
        """Names the rules and the stemmer's release: part of configuration hashes, so that a change re-analyses."""
        return f"terms-2/{self._stemmer_release}"

    def terms(self, text: str) -> list[str]:
        """The terms of a text in order, repeated as they occur."""
        found: list[str] = []
        known = self._terms.get
        for token in find_tokens(text):
            found.extend(known(token) or self._expand(token))
        return found

    def query(self, text: str) -> dict[str, float]:
        """The terms of a query, and how much each occurrence in it weighs.

        Who asks for nothing but names wants those names: their pieces then count ``PIECE_WEIGHT``.

        Example:
            >>> from tercet.settings import LexicalConfig
            >>> Analyzer(LexicalConfig()).query("getUserName")
            {'getusername': 1.0, 'get': 0.5, 'user': 0.5, 'name': 0.5}
        """
        tokens = find_tokens(text)
        weights = {term: float(times) for term, times in Counter(self.terms(text)).items()}
        if not all(map(is_identifier, tokens)):
            return weights
        names = {name for token in tokens for name in terms_of(token, self._word, split=False)}
        return {term: weight if term in names else PIECE_WEIGHT * weight for term, weight in weights.items()}

    def count(self, text: str) -> TermCounts:
        """Count the terms of a text by id, as ``terms`` finds them."""
        tokens = find_tokens(text)
        ids = list(map(self._ids.get, tokens))
        if None in ids:
            fresh = {token: self._ids_of(token) for token, known in zip(tokens, ids, strict=True) if known is None}
            ids = [fresh[token] if known is None else known for token, known in zip(tokens, ids, strict=True)]
        totals = Counter(chain.from_iterable(cast("list[tuple[int, ...]]", ids)))
        found = np.fromiter(totals.keys(), np.uint32, len(totals))
        counts = np.minimum(np.fromiter(totals.values(), np.int64, len(totals)), 65_535).astype(np.uint16)
        order = np.argsort(found)
        return TermCounts(found[order], counts[order], totals.total())

    def _ids_of(self, token: str) -> tuple[int, ...]:
        ids = tuple(map(term_id, terms_of(token, self._word, split=self.config.split_identifiers)))
        _remember(self._ids, token, ids)
        return ids

    def _expand(self, token: str) -> tuple[str, ...]:
        terms = self._terms.get(token)
        if terms is None:
            terms = tuple(terms_of(token, self._word, split=self.config.split_identifiers))
            _remember(self._terms, token, terms)
        return terms

    def _word(self, word: str) -> str:
        """The term of a plain word; empty for a stop word."""
        folded = word.casefold()
        if folded in self._stop_words:
            return ""
        if self.config.language == "english" and not folded.isascii():
            folded = _LATIN_ACCENT.sub("", unicodedata.normalize("NFD", folded))
            folded = unicodedata.normalize("NFC", folded)
        return self._stem(folded)


def _remember(cache: dict[str, T], token: str, value: T) -> None:
    if len(token) > _CACHE_TOKEN_LENGTH:
        return
    if len(cache) >= _CACHE_ENTRIES:
        cache.clear()
    cache[token] = value


def _stemmer(language: str) -> tuple[Callable[[str], str], str]:
    """The stemming function of a language and the release it comes from."""
    if language == "none":
        return str, "none"
    import Stemmer  # type: ignore[import-not-found]  # it ships no types

    try:
        stemmer = Stemmer.Stemmer(language, 0)
    except KeyError:
        known = ", ".join(sorted(Stemmer.algorithms()))
        raise ConfigurationError(
            f"no stemmer for language {language!r}.", remedy=f"Use none or one of: {known}."
        ) from None
    lock = threading.Lock()  # a Stemmer object must not be used by two threads at once

    def stem(word: str) -> str:
        with lock:
            return str(stemmer.stemWord(word))

    return stem, f"snowball-{Stemmer.version()}"


def term_id(term: str) -> int:
    """A stable 32-bit id (blake2b) of a term."""
    return int.from_bytes(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little")


def bm25_weights(counts: TermCounts, *, average_length: float, k1: float, b: float) -> NDArray[np.float32]:
    """The document side of BM25: ``tf (k1 + 1) / (tf + k1 (1 - b + b length / average_length))`` a term.

    Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).

    Args:
        counts: The document's terms.
        average_length: Mean of ``TermCounts.length`` over the documents; 0 (no documents yet) counts as 1.
        k1: How slowly repetition saturates.
        b: How much long documents are marked down, 0 to 1.

    Returns:
        A weight for each of ``counts.ids``, in their order.
    """
    relative = counts.length / average_length if average_length > 0 else float(counts.length)
    frequency = counts.counts.astype(np.float64)
    weights = frequency * (k1 + 1) / (frequency + k1 * (1 - b + b * relative))
    return weights.astype(np.float32)


def idf(document_frequency: int, documents: int) -> float:
    """Lucene's inverse document frequency, never negative: ``ln(1 + (N - df + .5) / (df + .5))``."""
    frequency = min(document_frequency, documents)
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def length_bucket(average_length: float) -> int:
    """The bucket of an average length: the nearest power of 1.25. Lengths up to 1 share bucket 0.

    Buckets keep stored weights valid while a corpus grows: they change only when the average moves by a quarter.
    """
    return round(math.log(average_length, _BUCKET_BASE)) if average_length > 1 else 0


def bucket_length(bucket: int) -> float:
    """The average length that stands for a bucket."""
    return float(_BUCKET_BASE**bucket)
