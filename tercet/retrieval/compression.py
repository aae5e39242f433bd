"""Query-aware compression: the sentences of passages that a question needs, word for word, within a budget."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import InputError
from tercet.models.lexical import Analyzer
from tercet.retrieval.compressed import Compressed, DroppedSentence, Excerpt, Passage, Sentence
from tercet.retrieval.excerpts import Counter, Piece, Sources, arranged, entry_order, fit
from tercet.retrieval.near_duplicates import near_duplicates
from tercet.retrieval.sentence_scores import Candidates, ScoreParts, score_sentences
from tercet.retrieval.units import find_units
from tercet.settings import CompressionConfig, LexicalConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.models.embedding import Embedder


class RankedUnits(NamedTuple):
    """The units of some passages, scored; numbers are places in ``pieces``."""

    passages: Sequence[Passage]
    """In rendering order."""
    pieces: Sequence[Piece]
    texts: Sequence[str]
    scores: Sequence[ScoreParts]
    ranked: Sequence[int]
    """All units, best first."""
    repeats: Mapping[int, int]
    """Units that repeat a better one, each with the number of that one."""
    entering: Sequence[int]
    """Those that may be kept, best first."""
    admitted: frozenset[int]
    """Those that are good enough, repeats included."""


class Compressor:
    """Keeps the sentences that a question needs.

    Each is scored by its words, its neighbours, its passage's score, the titles that lead to it and, with an embedder,
    its meaning (``CompressionConfig``). Near-duplicates are removed, and the best are taken until the budget is full.

    Args:
        counter: Counts tokens; the budget holds under it.
        lexical: How words are found; a memory's own is ``memory.lexical``.
        embedder: Compares the best candidates with the question by meaning. None: words alone decide.
        config: The weights.

    Example:
        >>> from tercet.models.tokens import WordEstimate
        >>> guide = Passage(id="1", text="Keys are long. Rotate a key every 90 days. Lunch is at noon.")
        >>> Compressor(WordEstimate()).compress("When to rotate keys?", [guide], budget=14).text
        'Rotate a key every 90 days.'
    """

    def __init__(
        self,
        counter: Counter,
        *,
        lexical: LexicalConfig | None = None,
        embedder: Embedder | None = None,
        config: CompressionConfig | None = None,
    ) -> None:
        self.config = config or CompressionConfig()
        self._counter = counter
        self.analyzer = Analyzer(lexical or LexicalConfig())
        self._embedder = embedder

    def compress(self, question: str, passages: Sequence[Passage], *, budget: int) -> Compressed:
        """Choose sentences.

        Args:
            question: May be empty; then the passages' scores alone decide.
            passages: Best first; ids are unique.
            budget: Tokens that the text may have, labels and omission marks included. A larger one keeps all that a
                smaller one keeps.

        Raises:
            InputError: The budget is negative, or two passages have one id.
            EmbedderUnavailableError: The embedder cannot be loaded.
        """
        if budget < 0:
            raise InputError(f"The budget is {budget} tokens.", remedy="Give 0 or more.")
        found = self.rank(question, passages)
        sources = Sources(
            [passage.text for passage in found.passages],
            [passage.label and f"{passage.label}\n" for passage in found.passages],
        )
        order = entry_order(found.pieces, found.entering)
        count = fit(sources, found.pieces, order, budget=budget, counter=self._counter)
        order += [number for number in found.ranked if number not in set(order)]
        by_piece = {
            number: Sentence(
                passage_id=found.passages[found.pieces[number].passage].id,
                start=found.pieces[number].unit.start,
                end=found.pieces[number].unit.end,
                text=found.texts[number],
                kind=found.pieces[number].unit.kind,
                rank=rank,
                score=found.scores[number],
                header=found.pieces[number].unit.lead,
            )
            for rank, number in enumerate(order, start=1)
        }
        excerpts = _excerpts(sources, {found.pieces[number]: by_piece[number] for number in order[:count]})
        entering = set(found.entering)
        dropped = tuple(
            DroppedSentence(
                sentence=by_piece[number],
                reason="near-duplicate" if number in found.repeats else "budget" if number in entering else "low score",
                duplicate_of=by_piece[found.repeats[number]] if number in found.repeats else None,
            )
            for number in order[count:]
        )
        text = "\n\n".join(excerpt.text for excerpt in excerpts)
        tokens = self._counter.count(text)
        return Compressed(excerpts=excerpts, dropped=dropped, tokens=tokens, budget=budget, counter=self._counter.name)

    def rank(self, question: str, passages: Sequence[Passage]) -> RankedUnits:
        """Score the units of passages and put them in order, before any budget.

        Raises:
            InputError: Two passages have one id.
            EmbedderUnavailableError: The embedder cannot be loaded.
        """
        _refuse_equal_ids(passages)
        ordered = _in_source_order(passages)
        pieces = [
            Piece(place, number, unit)
            for place, passage in enumerate(ordered)
            for number, unit in enumerate(find_units(passage.text))
        ]
        texts = [ordered[piece.passage].text[piece.unit.start : piece.unit.end] for piece in pieces]
        terms = [self.analyzer.terms(text) for text in texts]
        scores = self._scores(question, ordered, pieces, texts, terms)
        # Equal scores: the passage that retrieval put first, then what stands first in it.
        given = {id(passage): place for place, passage in enumerate(passages)}
        places = [given[id(ordered[piece.passage])] for piece in pieces]
        ranked = sorted(range(len(pieces)), key=lambda number: (-scores[number].total, places[number], number))
        least = self.config.floor * scores[ranked[0]].total if ranked else 0.0
        repeats = near_duplicates(texts, terms, ranked)
        admitted = frozenset(number for number in ranked if scores[number].total >= least)
        entering = [number for number in ranked if number not in repeats and number in admitted]
        return RankedUnits(ordered, pieces, texts, scores, ranked, repeats, entering, admitted)

    def _scores(
        self,
        question: str,
        passages: Sequence[Passage],
        pieces: Sequence[Piece],
        texts: Sequence[str],
        terms: Sequence[Sequence[str]],
    ) -> list[ScoreParts]:
        candidates = Candidates(
            texts=texts,
            terms=terms,
            passages=[piece.passage for piece in pieces],
            titles=[self.analyzer.terms(passage.title) for passage in passages],
            parents=[passage.score for passage in passages],
        )
        embedder = self._embedder if question.strip() else None
        asked = self.analyzer.terms(question)
        return score_sentences(question, asked, candidates, config=self.config, embedder=embedder)


def _refuse_equal_ids(passages: Sequence[Passage]) -> None:
    ids = [passage.id for passage in passages]
    if len(set(ids)) < len(ids):
        twice = next(one for place, one in enumerate(ids) if one in ids[:place])
        raise InputError(f"Two passages have the id {twice!r}.", remedy="Give each passage an id of its own.")


def _in_source_order(passages: Sequence[Passage]) -> list[Passage]:
    """Sources in the order in which they first occur, the passages of one source as they stand in it."""
    sources: dict[str, list[Passage]] = {}
    for passage in passages:
        # A passage that names no source is one by itself.
        sources.setdefault(passage.source or f"\0{passage.id}", []).append(passage)
    return [passage for group in sources.values() for passage in sorted(group, key=lambda one: one.start)]


def _excerpts(sources: Sources, kept: dict[Piece, Sentence]) -> tuple[Excerpt, ...]:
    excerpts = []
    for _, group in groupby(arranged(sources, kept), key=lambda shown: shown.piece.passage):
        shown = list(group)
        sentences = tuple(kept[one.piece] for one in shown)
        text = "".join(one.before + kept[one.piece].text for one in shown)
        excerpts.append(
            Excerpt(passage_id=sentences[0].passage_id, text=text.removeprefix("\n\n"), sentences=sentences)
        )
    return tuple(excerpts)
