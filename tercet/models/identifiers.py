"""Finding words and identifiers in text, and the words inside an identifier."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Whole blocks rather than per-character properties: the result must not depend on Python's Unicode release.
UNSPACED_RANGES = (
    "\u0e00-\u0e4f\u0e80-\u0ecf\u0edc-\u0edf"  # Thai, Lao without their digits
    "\u1000-\u103f\u1050-\u108f\u109a-\u109f\u1780-\u17d3\ua9e0-\ua9ef\uaa60-\uaa7f"  # Burmese, Khmer
    "\u3005\u3007\u3031-\u3035\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana, iteration marks
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
"""Scripts written without spaces between words, as a regular expression class."""

# Vowel signs and accents are not ``\\w`` to Python's ``re``; without them Hindi, Tamil or vocalised Arabic fall apart.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u07a6-\u07b0\u0816-\u082d\u0859-\u085b\u0898-\u08ff"
    "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u09d7\u09e2\u09e3"
    "\u0a01-\u0a03\u0a3c-\u0a51\u0a70\u0a71\u0a75\u0a81-\u0a83\u0abc-\u0acd\u0ae2\u0ae3\u0b01-\u0b03\u0b3c-\u0b57"
    "\u0b62\u0b63\u0b82\u0bbe-\u0bcd\u0bd7\u0c00-\u0c04\u0c3c-\u0c56\u0c62\u0c63\u0c81-\u0c83\u0cbc-\u0cd6\u0ce2\u0ce3"
    "\u0d00-\u0d03\u0d3b-\u0d4d\u0d57\u0d62\u0d63\u0d81-\u0d83\u0dca-\u0ddf\u0df2\u0df3\u0f18\u0f19\u0f35\u0f37\u0f39"
    "\u0f3e\u0f3f\u0f71-\u0f84\u0f86\u0f87\u0f8d-\u0fbc\u135d-\u135f\u1712-\u1715\u1b00-\u1b04\u1b34-\u1b44\u1dc0-\u1dff"
    "\u20d0-\u20f0\ufe20-\ufe2f"
)

_LETTERS = rf"[^\W{UNSPACED_RANGES}]+"
_RUN = rf"{_LETTERS}(?:[{_MARKS}]+(?:{_LETTERS})?)*"

TOKEN = re.compile(
    rf"(?:(?<![\w-])--?(?=[A-Za-z]))?{_RUN}(?:(?:[.\-'\u2019\u2010]|::){_RUN})*(?:\+\+|\#(?!\w))?|[{UNSPACED_RANGES}]+"
)
"""A word, an identifier with all its parts, or a run of unspaced script. Linear: no character can match two ways."""

_ASCII_RUN = r"[A-Za-z0-9_]+"
ASCII_TOKEN = re.compile(rf"(?:(?<![\w-])--?(?=[A-Za-z]))?{_ASCII_RUN}(?:(?:[.\-']|::){_ASCII_RUN})*(?:\+\+|\#(?!\w))?")
"""``TOKEN`` for text without other characters, twice as fast."""

UNSPACED = re.compile(f"[{UNSPACED_RANGES}]")
_CLUSTER = re.compile(
    "[\u0e40-\u0e44\u0ec0-\u0ec4]?[^\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3]"
    "[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3]*|."
)
_PLAIN = re.compile("[A-Za-z0-9][a-z0-9]*")
"""A word that no rule takes apart, as most are."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_CONNECTOR = re.compile(r"[.\-_']|::")
_LINK = re.compile(r"[.\-']|::")
"""What joins names to each other, where an underscore joins the words of one."""
_QUALIFIED = re.compile(r"[._]|::")


def pairs(run: str) -> list[str]:
    """Overlapping pairs of characters of a run of unspaced script, vowel signs kept with their consonant.

    Example:
        >>> pairs("記憶装置")
        ['記憶', '憶装', '装置']
    """
    clusters = _CLUSTER.findall(run)
    if len(clusters) < 2:
        return clusters
    return [first + second for first, second in pairwise(clusters)]


def camel_pieces(name: str) -> list[str]:
    """Split at changes of case: before a capital that follows a small letter, or that starts a capitalised word.

    Plurals of acronyms stay whole, and digits stay with what precedes them.

    Example:
        >>> camel_pieces("parseHTTP2ServerURLs")
        ['parse', 'HTTP2', 'Server', 'URLs']
    """
    if name.islower():
        return [name]
    found = []
    start = 0
    last = len(name) - 1
    for place in range(1, len(name)):
        if not name[place].isupper():
            continue
        before = name[place - 1]
        starts_word = place < last and name[place + 1].islower() and not (place + 1 == last and name[last] == "s")
        if before.islower() or (starts_word and before != "_"):
            found.append(name[start:place])
            start = place
    found.append(name[start:])
    return found


def find_tokens(text: str) -> list[str]:
    """Words, identifiers and runs of unspaced script of a text, in order, after NFKC."""
    if text.isascii():
        return ASCII_TOKEN.findall(text)
    return TOKEN.findall(_INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))


def is_identifier(token: str) -> bool:
    """Whether a token found by ``find_tokens`` is a name with pieces, and no plain word or run of unspaced script.

    Example:
        >>> [is_identifier(token) for token in ("getUserName", "pl.read_csv", "--flag", "keys", "HTTP")]
        [True, True, True, False, False]
    """
    token = _plain_marks(token)
    return not UNSPACED.match(token) and (bool(_CONNECTOR.search(token)) or len(camel_pieces(token)) > 1)


def _plain_marks(token: str) -> str:
    return token.replace("\u2019", "'").replace("\u2010", "-")


def terms_of(token: str, word: Callable[[str], str], *, split: bool) -> list[str]:
    """The terms of one token found by ``find_tokens``.

    Args:
        token: As found.
        word: Turns a plain word into its term, or into an empty string to drop it.
        split: Whether identifiers give their pieces besides the whole.
    """
    if _PLAIN.fullmatch(token):
        return [term for term in (word(token),) if term]
    if UNSPACED.match(token):
        return pairs(token)
    token = _plain_marks(token)
    if "'" in token and word(token) == "":
        return []
    if not is_identifier(token):
        return [term for term in (word(token),) if term]
    terms = []
    whole = token.casefold()
    terms.append(whole)
    if whole != token and _QUALIFIED.search(token):
        terms.append(token)  # Serializer.data is the class, serializer.data any instance of it
    if split:
        names = (_composite(name) for name in _LINK.split(token))
        terms.extend(name for name in names if name and name != whole)
        for part in _CONNECTOR.split(token):
            for piece in camel_pieces(part):
                term = word(piece) if piece else ""
                if term and term != whole:
                    terms.append(term)
    return terms


def _composite(name: str) -> str:
    """The folded form of a name that has pieces itself, as ``read_csv`` in ``pl.read_csv``; empty for a plain word."""
    inner = name.strip("_")
    return name.casefold() if "_" in inner or len(camel_pieces(inner)) > 1 else ""
