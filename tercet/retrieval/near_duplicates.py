"""Sentences that say the same in the same words: the better one stays.

Two texts are near-duplicates when nine of ten of their terms are the same and they agree in every number, date,
identifier and negation. Pairs are found by prefix filtering (Bayardo, Ma and Srikant, 2007): texts that are so alike
share at least one of their rarest terms, so that few pairs are compared.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tercet.models.protected_spans import protected_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALIKE = 0.9
"""Share of the terms of both together (Jaccard index) that must be common."""
_SHORTEST = 5
_COMPARED = ("number", "date", "identifier", "negation", "link", "code")


def near_duplicates(texts: Sequence[str], terms: Sequence[Sequence[str]], order: Iterable[int]) -> dict[int, int]:
    """The texts that repeat a better one, each with the number of that one.

    Args:
        texts: All of them.
        terms: Of each text. One with fewer than five different terms must repeat the other letter by letter.
        order: Numbers of the texts, best first.
    """
    sets = [frozenset(one) for one in terms]
    common = Counter(term for one in sets for term in one)
    same: dict[str, int] = {}
    sharing: dict[str, list[int]] = defaultdict(list)
    found: dict[int, int] = {}
    for number in order:
        spelling = " ".join(texts[number].split()).casefold()
        original = same.setdefault(spelling, number)
        rarest = _rarest(sets[number], common)
        if original == number:
            alike = (other for other in _candidates(rarest, sharing) if _alike(number, other, texts, sets))
            original = next(alike, number)
        if original != number:
            found[number] = found.get(original, original)
            continue
        for term in rarest:
            sharing[term].append(number)
    return found


def protected_values(text: str) -> Counter[str]:
    """What must be equal in two texts for one to stand for the other."""
    return Counter(text[span.start : span.end].casefold() for span in protected_spans(text) if span.kind in _COMPARED)


def _rarest(terms: frozenset[str], common: Counter[str]) -> list[str]:
    if len(terms) < _SHORTEST:
        return []
    needed = len(terms) - math.ceil(ALIKE * len(terms)) + 1
    return sorted(terms, key=lambda term: (common[term], term))[:needed]


def _candidates(rarest: Sequence[str], sharing: dict[str, list[int]]) -> Iterable[int]:
    return dict.fromkeys(other for term in rarest for other in sharing.get(term, ()))


def _alike(one: int, other: int, texts: Sequence[str], sets: Sequence[frozenset[str]]) -> bool:
    both, either = len(sets[one] & sets[other]), len(sets[one] | sets[other])
    return both >= ALIKE * either and protected_values(texts[one]) == protected_values(texts[other])
