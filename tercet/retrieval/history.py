"""Conversations made short without a model: facts, decisions and wishes stay, reasoning and repetition go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tercet.errors import BudgetError, InputError
from tercet.models.lexical import Analyzer
from tercet.models.passage_scores import PassageScorer
from tercet.retrieval.excerpts import Counter, Piece, Sources, arranged, entry_order, fit, render
from tercet.retrieval.near_duplicates import near_duplicates, protected_values
from tercet.retrieval.units import Unit, find_units
from tercet.retrieval.utterances import corrects, information
from tercet.settings import LexicalConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

_RECENT, _ASKED = 0.5, 3.0
_SAME_MATTER = 0.5
"""Share of the terms of a corrected sentence that the correction repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One utterance of a conversation."""

    id: str
    text: str
    speaker: str = ""
    pinned: bool = False
    """Kept whole, byte for byte, whatever else goes: constraints and instructions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """A sentence of a turn, word for word: ``turn.text[start:end] == text``."""

    turn_id: str
    start: int
    end: int
    text: str
    score: float
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedLine:
    """A sentence that was left out, and why."""

    line: HistoryLine
    reason: Literal["budget", "near-duplicate", "corrected", "low score"]
    by: HistoryLine | None = None
    """The line that says the same, or that corrects it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedHistory:
    """What is left of a conversation, in its order."""

    text: str
    """A line for each turn with something kept: speaker, then the sentences, with " … " where some were left out."""
    lines: tuple[HistoryLine, ...]
    dropped: tuple[DroppedLine, ...]
    tokens: int
    """Of ``text``, by ``counter``; at most ``budget``."""
    budget: int
    counter: str


def compress_history(
    turns: Sequence[Utterance],
    budget: int,
    counter: Counter,
    *,
    question: str | None = None,
    lexical: LexicalConfig | None = None,
) -> CompressedHistory:
    """Keep what a conversation established.

    Args:
        turns: In their order; ids are unique.
        budget: Tokens that the text may have. A larger one keeps all that a smaller one keeps.
        counter: Counts them.
        question: What comes next, if that is known: sentences about it count more.
        lexical: How words are found.

    Raises:
        BudgetError: The pinned turns alone need more than the budget.
        InputError: Two turns have one id, or the budget is negative.

    Example:
        >>> from tercet.models.tokens import WordEstimate
        >>> turns = [
        ...     Utterance(id="1", speaker="Ada", text="Let me think. We decided to ship on 3 May."),
        ...     Utterance(id="2", speaker="Bob", text="Great, thanks!"),
        ... ]
        >>> compress_history(turns, 16, WordEstimate()).text
        'Ada: We decided to ship on 3 May.'
    """
    _check(turns, budget)
    analyzer = Analyzer(lexical or LexicalConfig())
    sources = Sources([turn.text for turn in turns], [turn.speaker and f"{turn.speaker}: " for turn in turns], "\n")
    pieces = [
        Piece(place, number, unit)
        for place, turn in enumerate(turns)
        for number, unit in enumerate([Unit(0, len(turn.text), "sentence")] if turn.pinned else find_units(turn.text))
    ]
    texts = [turns[piece.passage].text[piece.unit.start : piece.unit.end] for piece in pieces]
    terms = [analyzer.terms(text) for text in texts]
    asked = PassageScorer(terms).scores(sorted(set(analyzer.terms(question or ""))))
    best = max(asked, default=0.0) or 1.0
    last = max(1, len(turns) - 1)
    scores = [
        information(text) + _RECENT * piece.passage / last + _ASKED * about / best
        for text, piece, about in zip(texts, pieces, asked, strict=True)
    ]
    pinned = [number for number, piece in enumerate(pieces) if turns[piece.passage].pinned]
    _check_pinned(sources, [pieces[number] for number in pinned], budget, counter)
    # Of equal worth, the later one: it is nearer to what comes next.
    ranked = [*pinned, *sorted(set(range(len(pieces))) - set(pinned), key=lambda number: (-scores[number], -number))]
    repeats = {one: other for one, other in near_duplicates(texts, terms, ranked).items() if one not in pinned}
    corrected = _corrections(texts, terms, pieces, skip={*pinned, *repeats})
    gone = {**repeats, **corrected}
    empty = {number for number, score in enumerate(scores) if score <= _RECENT} - {*pinned, *gone}
    order = pinned + entry_order(pieces, [one for one in ranked[len(pinned) :] if one not in gone and one not in empty])
    kept = max(len(pinned), fit(sources, pieces, order, budget=budget, counter=counter))
    lines = [
        HistoryLine(
            turn_id=turns[piece.passage].id,
            start=piece.unit.start,
            end=piece.unit.end,
            text=text,
            score=score,
            pinned=turns[piece.passage].pinned,
        )
        for piece, text, score in zip(pieces, texts, scores, strict=True)
    ]
    dropped = [DroppedLine(line=lines[number], reason="budget") for number in order[kept:]]
    dropped += [DroppedLine(line=lines[number], reason="low score") for number in sorted(empty)]
    dropped += [
        DroppedLine(
            line=lines[number], reason="corrected" if number in corrected else "near-duplicate", by=lines[gone[number]]
        )
        for number in sorted(gone)
    ]
    places = {pieces[number]: number for number in order[:kept]}
    text = render(sources, places)
    return CompressedHistory(
        text=text,
        lines=tuple(lines[places[shown.piece]] for shown in arranged(sources, places)),
        dropped=tuple(dropped),
        tokens=counter.count(text),
        budget=budget,
        counter=counter.name,
    )


def _check(turns: Sequence[Utterance], budget: int) -> None:
    if budget < 0:
        raise InputError(f"The budget is {budget} tokens.", remedy="Give 0 or more.")
    if len({turn.id for turn in turns}) < len(turns):
        raise InputError("Two turns have the same id.", remedy="Give each turn an id of its own.")


def _check_pinned(sources: Sources, pinned: Sequence[Piece], budget: int, counter: Counter) -> None:
    needed = counter.count(render(sources, pinned)) if pinned else 0
    if needed > budget:
        raise BudgetError(
            f"The {len(pinned)} pinned turns need {needed} tokens by {counter.name}, the budget is {budget}.",
            remedy="Give a larger budget, or pin less.",
        )


def _corrections(
    texts: Sequence[str], terms: Sequence[Sequence[str]], pieces: Sequence[Piece], *, skip: set[int]
) -> dict[int, int]:
    """Sentences that a later one corrects: it says so, is about the same, and gives other values."""
    matters = [_matter(one, text) for one, text in zip(terms, texts, strict=True)]
    found: dict[int, int] = {}
    for later, text in enumerate(texts):
        if later in skip or not corrects(text):
            continue
        for earlier in range(later):
            if earlier in skip or pieces[earlier].passage == pieces[later].passage or len(matters[earlier]) < 2:
                continue
            shared = len(matters[earlier] & matters[later])
            if shared < 2 or shared < _SAME_MATTER * len(matters[earlier]):
                continue
            if protected_values(texts[earlier]) != protected_values(text):
                found[earlier] = later
    # What was corrected twice was corrected by the last, which no correction of its own may hide.
    return {one: _last(other, found) for one, other in found.items()}


def _last(number: int, found: dict[int, int]) -> int:
    while number in found:
        number = found[number]
    return number


def _matter(terms: Sequence[str], text: str) -> frozenset[str]:
    values = protected_values(text)
    return frozenset(term for term in terms if term not in values)
