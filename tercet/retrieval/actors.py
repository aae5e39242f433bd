"""Names of actors in a question.

Whoever is named in a turn of a conversation is mostly the one who is spoken to, so that comparing "When did Ada move?"
with turns finds what others say to Ada. The name tells whose turns are meant; the rest of the question, what about.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tercet.models.identifiers import camel_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['\u2019]s\b")


class Named(NamedTuple):
    """The actors that a query names, and the query without their names."""

    actors: frozenset[str]
    rest: str


class _Word(NamedTuple):
    text: str
    start: int
    end: int


def named_actors(query: str, actors: Iterable[str], *, is_word: Callable[[str], bool]) -> Named:
    """Find the actors that a query names, whole or by one capitalised word of their name.

    Args:
        query: The query.
        actors: Who could be meant.
        is_word: False for stop words, which name nobody.

    Example:
        >>> named_actors("What is Ada's new address?", ["Ada Byron", "Ben"], is_word=bool)
        Named(actors=frozenset({'Ada Byron'}), rest='What is new address?')
    """
    words = _words(query)
    folded = [word.text.casefold() for word in words]
    places: dict[str, list[int]] = {}
    for place, word in enumerate(folded):
        places.setdefault(word, []).append(place)
    found: set[str] = set()
    taken: set[int] = set()
    for actor in actors:
        name = [word.text for word in _words(actor)]
        at = _whole(folded, places, [word.casefold() for word in name]) or {
            place
            for word in name
            if len(word) > 1 and word[0].isupper() and is_word(word)
            for place in places.get(word.casefold(), ())
            if words[place].text == word
        }
        if at and any(is_word(words[place].text) for place in at):
            found.add(actor)
            taken |= at
    return Named(frozenset(found), _without(query, [words[place] for place in sorted(taken)]) if taken else query)


def _words(text: str) -> list[_Word]:
    """The words of a text, those of ``AdaByron`` one by one."""
    found = []
    for match in _WORD.finditer(text):
        start = match.start()
        for piece in camel_pieces(match.group()):
            found.append(_Word(piece, start, start + len(piece)))
            start += len(piece)
    return found


def _whole(words: list[str], places: dict[str, list[int]], name: list[str]) -> set[int]:
    """Where a whole name stands."""
    if not name:
        return set()
    starts = [place for place in places.get(name[0], ()) if words[place : place + len(name)] == name]
    return {start + offset for start in starts for offset in range(len(name))}


def _without(text: str, words: list[_Word]) -> str:
    kept, position = [], 0
    for word in words:
        kept.append(text[position : word.start])
        position = word.end
        if possessive := _POSSESSIVE.match(text, position):
            position = possessive.end()
    kept.append(text[position:])
    return " ".join("".join(kept).split())
