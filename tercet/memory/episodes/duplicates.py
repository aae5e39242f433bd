"""Which texts say the same, without a model, from certain to possible.

1. ``same_key``: equal for texts that differ only in spacing, case of the first letter, quotes, closing full stops,
   articles, contractions and (where nothing is negated) commas. Such records are merged by themselves, and the merge can be undone.
2. ``bands`` and ``similarity``: MinHash finds texts that share most of their character 4-grams. Where
   ``differences`` finds nothing that changes the meaning, the pair is put up for review; it is never merged by itself.
3. Everything else is distinct: in particular every pair that differs in a number, date, name, unit, negation or mode.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from hashlib import blake2b

import numpy as np

REVIEW_ABOVE = 0.5
"""Jaccard similarity of 4-grams from which a pair is worth a look. Chosen on the labelled pairs in the tests."""

_BANDS, _ROWS = 16, 2
_SPACE = re.compile(r"\s+")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-"})
_TOKEN = re.compile(r"\d[\d.,:/-]*\d|\d|[^\W\d_]+(?:'[^\W\d_]+)?|[^\w\s]|_")
_NEUTRAL = frozenset(["a", "an", "the"])
NEGATIONS = frozenset(["no", "not", "never", "none", "nobody", "nothing", "neither", "nor", "without", "nicht", "kein", "keine", "keinen", "nie"])
_CONTRACTIONS = {
    "i'm": "i am", "you're": "you are", "we're": "we are", "they're": "they are", "it's": "it is", "that's": "that is",
    "he's": "he is", "she's": "she is", "i've": "i have", "we've": "we have", "you've": "you have",
    "they've": "they have", "i'll": "i will", "we'll": "we will", "you'll": "you will", "they'll": "they will",
    "isn't": "is not", "aren't": "are not", "wasn't": "was not", "weren't": "were not", "don't": "do not",
    "doesn't": "does not", "didn't": "did not", "can't": "can not", "cannot": "can not", "won't": "will not",
    "wouldn't": "would not", "shouldn't": "should not", "couldn't": "could not", "mustn't": "must not",
    "hasn't": "has not", "haven't": "have not", "hadn't": "had not",
}  # fmt: skip


def normalized(text: str) -> str:
    """The text as it is compared: compatibility characters unified, plain quotes, single spaces.

    Example:
        >>> normalized("Ada’s  key\\n")
        "Ada's key"
    """
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).translate(_QUOTES)).strip()


def tokens(text: str) -> tuple[str, ...]:
    """Words, numbers and signs of a normalised text; the capital that only begins a sentence is lowered."""
    found = _TOKEN.findall(normalized(text))
    result: list[str] = []
    opens = True
    for token in found:
        lowered = token.lower()
        plain = token[1:] == lowered[1:]  # not an acronym or a CamelCase name
        word = lowered if token == "I" or (opens and plain) else token
        result.extend(_CONTRACTIONS.get(lowered, word).split())
        opens = token in {".", "!", "?", "…"} or (opens and not token[0].isalnum())
    return tuple(result)


def same_key(text: str, *context: str) -> bytes:
    """Equal for texts that say the same beyond doubt, given an equal context (such as kind and actor).

    Example:
        >>> same_key("I'm in Oslo.") == same_key("I am in  Oslo"), same_key("Tea?") == same_key("Tea.")
        (True, False)
    """
    said = tokens(text)
    negated = not NEGATIONS.isdisjoint(said)  # "No, stop" is not "No stop"
    kept = [token for token in said if token.lower() not in _NEUTRAL and (negated or token != ",")]
    while kept and kept[-1] in {".", "!", "…"}:
        kept.pop()
    joined = "\0".join(("\1".join(context), *(kept or ("", text))))
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=4096)
def shingles(text: str) -> frozenset[str]:
    """The character 4-grams of a text without case and punctuation."""
    words = [token.lower() for token in tokens(text) if token[0].isalnum()]
    joined = f" {' '.join(words)} "
    return frozenset(joined[start : start + 4] for start in range(max(1, len(joined) - 3)))


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the 4-grams of two texts, 0 to 1."""
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def bands(text: str) -> list[int]:
    """Hashes of which similar texts share one: MinHash, 16 bands of 2 (Broder 1997).

    Two texts of Jaccard similarity s share a band with probability 1 - (1 - s²)^16: 0.99 at 0.5, 0.47 at 0.2.
    """
    grams = shingles(text)
    hashes = np.fromiter(
        (
            int.from_bytes(blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little")
            for gram in grams
        ),
        np.uint64,
        len(grams),
    )
    least = ((hashes[:, None] * _FACTORS + _TERMS) % _PRIME).min(axis=0).reshape(_BANDS, _ROWS)
    return [
        int.from_bytes(blake2b(bytes([number]) + band.tobytes(), digest_size=8).digest(), "little", signed=True)
        for number, band in enumerate(least)
    ]


_PRIME = np.uint64(4_294_967_291)
_random = np.random.Generator(np.random.PCG64(20_261_121))
_FACTORS = _random.integers(1, 2**32 - 5, _BANDS * _ROWS, dtype=np.uint64)
_TERMS = _random.integers(0, 2**32 - 5, _BANDS * _ROWS, dtype=np.uint64)

_MODES = frozenset(
    ["may", "might", "must", "should", "could", "would", "can", "will", "shall", "always", "sometimes", "rarely", "often", "usually", "maybe", "perhaps", "probably", "if", "unless", "only", "almost", "nearly", "about", "kann", "könnte", "soll", "sollte", "muss", "müsste", "darf", "immer", "manchmal", "selten", "oft", "vielleicht", "wenn", "nur", "fast"]
)
_NUMBERS = frozenset(
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "dozen", "hundred", "thousand", "million", "billion", "first", "second", "third", "half", "quarter", "double", "twice", "once", "both", "all", "every", "each", "any", "some", "most", "few", "many", "several", "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf", "hundert", "tausend", "erste", "zweite", "dritte", "alle", "jeder", "einige"]
)
_DATES = frozenset(
    ["today", "yesterday", "tomorrow", "tonight", "morning", "afternoon", "evening", "night", "noon", "midnight", "day", "days", "week", "weeks", "month", "months", "year", "years", "hour", "hours", "minute", "minutes", "second", "seconds", "ago", "before", "after", "since", "until", "next", "last", "previous", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "spring", "summer", "autumn", "winter", "now", "later", "earlier", "soon", "daily", "weekly", "monthly", "yearly", "heute", "gestern", "morgen", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag", "januar", "februar", "märz", "mai", "juni", "juli", "oktober", "dezember", "tag", "tage", "woche", "wochen", "monat", "monate", "jahr", "jahre", "vor", "nach", "seit", "bis"]
)
_UNITS = frozenset(
    ["kg", "g", "mg", "lb", "lbs", "oz", "km", "m", "cm", "mm", "mi", "mile", "miles", "ft", "feet", "inch", "inches", "l", "ml", "s", "ms", "us", "ns", "h", "min", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "hz", "khz", "mhz", "ghz", "w", "kw", "kwh", "v", "a", "c", "f", "k", "usd", "eur", "gbp", "chf", "euro", "euros", "dollar", "dollars", "pound", "pounds", "percent", "%", "$", "€", "£", "°", "celsius", "fahrenheit"]
)
_NEGATING = NEGATIONS | frozenset(
    ["n't", "cannot", "can't", "won't", "don't", "doesn't", "didn't", "isn't", "aren't", "wasn't", "weren't", "fails", "failed", "lacks", "stopped", "refuses", "denies", "dislikes", "hates", "un", "in", "dis"]
)


def differences(one: str, other: str) -> tuple[str, ...]:
    """What sets two similar texts apart so that they cannot be meant to say the same: kinds, sorted; empty for none.

    Kinds: ``date``, ``name``, ``negation``, ``mode``, ``number``, ``question``, ``sign``, ``unit``.

    Example:
        >>> differences("Keys rotate every 30 days", "Keys rotate every 90 days")
        ('number',)
    """
    first, second = Counter(tokens(one)), Counter(tokens(other))
    apart = [token for token in ((first - second) + (second - first))]
    lowered = {token.lower() for token in (*first, *second)}
    found = set()
    for token in apart:
        low = token.lower()
        if low in NEGATIONS or low in _NEGATING:
            found.add("negation")
        elif token[0].isdigit() or low in _NUMBERS:
            found.add("number")
        if low in _DATES:
            found.add("date")
        if low in _MODES:
            found.add("mode")
        if low in _UNITS:
            found.add("unit")
        if token == "?":
            found.add("question")
        elif not token[0].isalnum() and token not in ",.!;:…\"'()":
            found.add("sign")
        if token != low and token != "I":
            found.add("name")
    del lowered
    return tuple(sorted(found))


def repeats(text: str, recalled: list[str]) -> bool:
    """Whether a text says only what the recalled texts say: each of its sentences is one of theirs."""
    said = {same_key(sentence) for one in recalled for sentence in (one, *_sentences(one))}
    return same_key(text) in said or all(same_key(sentence) in said for sentence in _sentences(text))


def _sentences(text: str) -> list[str]:
    pieces = re.split(r"(?<=[.!?…])\s+|\n+", normalized_lines(text))
    return [piece for piece in pieces if piece.strip()]


def normalized_lines(text: str) -> str:
    """The text with its lines kept apart."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
