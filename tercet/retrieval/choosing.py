"""What may enter a context, cut into units, and the order in which units enter: decided before any budget is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tercet.retrieval.candidates import label_of
from tercet.retrieval.compressed import Passage
from tercet.retrieval.context_records import STORES
from tercet.retrieval.excerpts import Piece, Sources, entry_order
from tercet.retrieval.near_duplicates import near_duplicates
from tercet.retrieval.units import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.retrieval.candidates import Candidate
    from tercet.retrieval.compression import Compressor
    from tercet.retrieval.context_records import Store

_FENCE = re.compile(r"^[ \t]*(\[+)\d", re.MULTILINE)
_NO_TIME = float("inf")


class Choice:
    """The units of some candidates in the order in which they enter a context.

    Args:
        question: Ranks sentences.
        candidates: In the order of stores and of rank within each; those that were refused are left out.
        shares: Of the budget, by store.
        compressor: Ranks the sentences of episodes and chunks.
    """

    def __init__(
        self, question: str, candidates: Sequence[Candidate], shares: Mapping[Store, float], compressor: Compressor
    ) -> None:
        self.shown = _rendering_order([candidate for candidate in candidates if not candidate.refused])
        """Candidates in the order in which a context shows them; pieces name them by their place in it."""
        self.sources = Sources([candidate.text for candidate in self.shown], _labels(self.shown))
        self.pieces: list[Piece] = []
        queues, below = self._units(question, candidates, compressor)
        pinned = [number for number in queues["working"] if self.candidate(number).pinned]
        queues["working"] = queues["working"][len(pinned) :]
        merged = [*pinned, *self._merge(queues, shares)]
        texts = [self.text(piece) for piece in self.pieces]
        terms = [compressor.analyzer.terms(text) for text in texts]
        self.repeats = {
            number: original
            for number, original in near_duplicates(texts, terms, merged).items()
            if not self.candidate(number).pinned
        }
        """Units that say what a better one says, each with the number of that one."""
        entering = [number for number in merged[len(pinned) :] if number not in self.repeats and number not in below]
        self.order = [*pinned, *entry_order(self.pieces, entering)]
        self.pinned = len(pinned)
        """So many units at the front of ``order`` have to be kept."""

    def candidate(self, number: int) -> Candidate:
        """The candidate that a unit belongs to."""
        return self.shown[self.pieces[number].passage]

    def text(self, piece: Piece) -> str:
        """The text of a unit."""
        return self.shown[piece.passage].text[piece.unit.start : piece.unit.end]

    def _units(
        self, question: str, candidates: Sequence[Candidate], compressor: Compressor
    ) -> tuple[dict[Store, list[int]], set[int]]:
        """Cut the candidates into units, by store, best first; and those that compression finds too weak."""
        place_of = {candidate: place for place, candidate in enumerate(self.shown)}
        queues: dict[Store, list[int]] = {store: [] for store in STORES}
        below: set[int] = set()
        for candidate in candidates:
            if candidate.store == "working" and candidate in place_of:
                queues["working"].append(len(self.pieces))  # a value of JSON is not cut
                self.pieces.append(Piece(place_of[candidate], 0, Unit(0, len(candidate.text), "code")))
        for store in STORES[1:]:
            passages = [
                Passage(id=str(place_of[one]), text=one.text, score=one.score, title=one.title)
                for one in candidates
                if one.store == store and one in place_of
            ]
            ranked = compressor.rank(question, passages)
            first = len(self.pieces)
            self.pieces += [piece._replace(passage=int(ranked.passages[piece.passage].id)) for piece in ranked.pieces]
            queues[store] = [first + number for number in ranked.ranked]
            below.update(first + number for number in ranked.ranked if number not in ranked.admitted)
        return queues, below

    def _merge(self, queues: Mapping[Store, Sequence[int]], shares: Mapping[Store, float]) -> list[int]:
        """One order out of three: next comes the store that has had least of its share, as long as it has something."""
        left = {store: list(reversed(queue)) for store, queue in queues.items() if queue and shares[store]}
        spent = dict.fromkeys(left, 0)
        opened: set[int] = set()
        merged = []
        while left:
            store = min(left, key=lambda one: (spent[one] + self._length(left[one][-1], opened)) / shares[one])
            number = left[store].pop()
            spent[store] += self._length(number, opened)
            opened.add(self.pieces[number].passage)
            merged.append(number)
            if not left[store]:
                del left[store]
        return merged

    def _length(self, number: int, opened: set[int]) -> int:
        """Code points that a unit adds, with the label of its candidate where that is not there yet."""
        piece = self.pieces[number]
        label = 0 if piece.passage in opened else len(self.sources.labels[piece.passage])
        return piece.unit.end - piece.unit.start + label


def _rendering_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Constraints, other state by document, history as it happened, documents by first mention and place."""
    groups: dict[tuple[str, str], int] = {}
    for candidate in candidates:
        groups.setdefault((candidate.store, candidate.group), len(groups))

    def key(candidate: Candidate) -> tuple[int, bool, float, int, int]:
        moment = _NO_TIME if candidate.time is None else candidate.time.timestamp()
        return (
            STORES.index(candidate.store),
            not candidate.pinned,
            moment if candidate.store == "episodic" else 0.0,
            0 if candidate.pinned else groups[candidate.store, candidate.group],
            candidate.start,
        )

    return sorted(candidates, key=key)


def _labels(shown: Sequence[Candidate]) -> list[str]:
    """A numbered line for each candidate, in more brackets than any line of a text begins with.

    So no text can pass for a label, as with the fences of Markdown.
    """
    longest = max((len(match[1]) for one in shown for match in _FENCE.finditer(one.text)), default=0)
    opening, closing = "[" * (longest + 1), "]" * (longest + 1)
    return [f"{opening}{number}{closing} {label_of(one)}\n" for number, one in enumerate(shown, start=1)]
