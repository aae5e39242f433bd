"""Which texts say the same, without a model: from certain, by way of possible, to not.

1. ``same_key`` is equal for texts that differ only in spacing, the capital of a first word, the style of quotes,
   closing full stops, articles, contractions and, where nothing is negated, commas. Such records merge by themselves.
2. ``bands`` and ``similarity``: MinHash finds texts that share most of their character 4-grams. Where ``differences``
   finds nothing that changes the meaning, the pair is put up for review; it is never merged by itself.
3. Everything else is distinct: in particular every pair that differs in a number, date, name, unit, negation or mode.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from tercet.memory.episodes.protected import PROTECTED
from tercet.models.stopwords import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

REVIEW_ABOVE = 0.5
"""Jaccard similarity of 4-grams from which a pair is put up for review. Chosen on the labelled pairs of the tests."""

_BANDS, _ROWS = 16, 2
_PRIME = np.uint64(4_294_967_291)
_random = np.random.Generator(np.random.PCG64(20_261_121))
_FACTORS = _random.integers(1, 2**32 - 5, _BANDS * _ROWS, dtype=np.uint64)
_TERMS = _random.integers(0, 2**32 - 5, _BANDS * _ROWS, dtype=np.uint64)

_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORD = re.compile(r"\d[\d.,:/-]*\d|\d|[^\W\d_]+(?:'[^\W\d_]+)?|[^\w\s]|_")
_PLAIN = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})
_ARTICLES = frozenset({"a", "an", "the"})
_CLOSING = frozenset({".", "!", "…"})
_PUNCTUATION = frozenset(",.!;:…\"'()[]")
_VERBS = """
is are was were do does did would should could must has have had need might
"""
_NOT = {f"{verb}n't": f"{verb} not" for verb in _VERBS.split()} | {
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "shan't": "shall not",
}
_ENDINGS = {"'m": "am", "'re": "are", "'ve": "have", "'ll": "will"}  # 's and 'd mean several things


def normalized(text: str) -> str:
    """The text as it is compared: compatibility characters unified, plain quotes and dashes, single spaces.

    Example:
        >>> normalized("Ada\u2019s  key\\n")
        "Ada's key"
    """
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).translate(_PLAIN)).strip()


@lru_cache(maxsize=4096)
def words(text: str) -> tuple[str, ...]:
    """Words, numbers and signs of a text; a capital that only opens a sentence is lowered, a contraction spelt out.

    Example:
        >>> words("I don't fly to Oslo.")
        ('i', 'do', 'not', 'fly', 'to', 'Oslo', '.')
    """
    result: list[str] = []
    opens = True
    for word in _WORD.findall(normalized(text)):
        lowered = word.lower()
        one_capital = word[1:] == lowered[1:]  # not an acronym
        own = lowered if word == "I" or (lowered != word and one_capital and (opens or "'" in word)) else word
        result.extend(_spelt_out(own))
        opens = word in _CLOSING or word == "?" or (opens and not word[0].isalnum())
    return tuple(result)


def _spelt_out(word: str) -> list[str]:
    if word in _NOT:
        return _NOT[word].split()
    stem, mark, ending = word.partition("'")
    return [stem, _ENDINGS[mark + ending]] if mark + ending in _ENDINGS else [word]


def same_key(text: str, *context: str) -> bytes:
    """Equal for texts that say the same beyond doubt, given an equal context (such as kind and actor).

    Example:
        >>> same_key("I'm in Oslo.") == same_key("I am in  Oslo"), same_key("Tea?") == same_key("Tea.")
        (True, False)
    """
    said = words(text)
    negated = not PROTECTED["negation"].isdisjoint(said)  # "No, stop" is not "No stop"
    kept = [word for word in said if word not in _ARTICLES and (negated or word != ",")]
    while kept and kept[-1] in _CLOSING:
        kept.pop()
    joined = "\0".join(("\1".join(context), *(kept or ("", text))))
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=4096)
def _shingles(text: str) -> frozenset[str]:
    """The character 4-grams of a text without case and punctuation."""
    joined = f" {' '.join(word.lower() for word in words(text) if word[0].isalnum())} "
    return frozenset(joined[start : start + 4] for start in range(max(1, len(joined) - 3)))


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the 4-grams of two texts, 0 to 1."""
    first, second = _shingles(one), _shingles(other)
    return len(first & second) / len(first | second)


def bands(text: str) -> list[int]:
    """Hashes of which similar texts share one: MinHash, 16 bands of 2 (Broder, 1997).

    Texts of Jaccard similarity s share one with probability 1 - (1 - s²)^16: 0.99 at 0.5, 0.48 at 0.2.
    """
    grams = np.fromiter((_hash(gram.encode("utf-8", "surrogatepass"), 4) for gram in _shingles(text)), np.uint64)
    least = ((grams[:, None] * _FACTORS + _TERMS) % _PRIME).min(axis=0).astype("<u8").reshape(_BANDS, _ROWS)
    return [_hash(bytes([number]) + band.tobytes(), 7) for number, band in enumerate(least)]


def _hash(data: bytes, size: int) -> int:
    return int.from_bytes(blake2b(data, digest_size=size).digest(), "little")


def differences(one: str, other: str) -> tuple[str, ...]:
    """What sets two similar texts apart so that they cannot be meant to say the same; empty for nothing.

    Returns:
        Of ``date``, ``direction``, ``mode``, ``name``, ``negation``, ``number``, ``order``, ``question``, ``sign`` and
        ``unit`` those that apply.

    Example:
        >>> differences("Keys rotate every 30 days", "Keys rotate every 90 days")
        ('number',)
    """
    first, second = words(one), words(other)
    counted, other_counted = Counter(first), Counter(second)
    found: set[str] = set()
    for word in (counted - other_counted) + (other_counted - counted):
        if word not in _ARTICLES:
            found.update(_kinds(word))
    if _opening_name(one) != _opening_name(other) and "" not in {_opening_name(one), _opening_name(other)}:
        found.add("name")
    if counted[","] != other_counted[","] and not PROTECTED["negation"].isdisjoint(first):
        found.add("negation")  # "No, stop" and "No stop"
    if not found and _names_in_order(first) != _names_in_order(second):
        found.add("order")  # from Oslo to Bergen, from Bergen to Oslo
    return tuple(sorted(found))


def _kinds(word: str) -> Iterable[str]:
    lowered = word.lower()
    yield from (kind for kind, members in PROTECTED.items() if lowered in members)
    if word[0].isnumeric():
        yield "number"
    elif word == "?":
        yield "question"
    elif not word[0].isalpha() and word not in _PUNCTUATION:
        yield "sign"
    elif word != lowered:
        yield "name"


def _opening_name(text: str) -> str:
    """A first word that may be a name; empty where it is a function word or has no capital."""
    word = next(iter(_WORD.findall(normalized(text))), "")
    return word if word[:1].isupper() and word.lower() not in STOP_WORDS["english"] else ""


def _names_in_order(said: Iterable[str]) -> list[str]:
    return [word for word in said if word != word.lower() or word[0].isnumeric()]


def repeats(text: str, recalled: Iterable[str]) -> bool:
    """Whether a text says only what recalled texts say: it is one, or each of its sentences is one of theirs."""
    said = {same_key(piece) for one in recalled for piece in (one, *_sentences(one))}
    return same_key(text) in said or all(same_key(piece) in said for piece in _sentences(text))


def _sentences(text: str) -> list[str]:
    return [piece for piece in _SENTENCE_END.split(text.strip()) if piece.strip()]
