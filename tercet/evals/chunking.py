"""Chunking and compression measured: how much of the gold spans the best chunks hold, and how much a context keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tercet.evals.asking import ask
from tercet.evals.chunk_measures import ChunkMeasure, chunk_values
from tercet.evals.contexts import Contexts, kept_name, retention
from tercet.evals.evidence import DEFAULT_BUDGETS, by_document, covers, loss_of
from tercet.evals.measured import Measured, curves_of, lacks
from tercet.evals.records import SHOWN_TEXTS, Outcome, RankedItem, Span
from tercet.evals.span_measures import span_scores
from tercet.memory.places import chunk_places
from tercet.records import Scope
from tercet.retrieval.semantic import SemanticRetriever

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tercet.evals.asking import Answers
    from tercet.evals.configuration import EvalConfiguration
    from tercet.evals.datasets import SpanDataset, SpanQuestion
    from tercet.memory.memory import Memory
    from tercet.records import Hit, Progress, SearchResult
    from tercet.retrieval.context_records import Context

DEPTHS = (1, 2, 3, 5, 10, 20)
"""Chunks where the curve of span recall is measured."""


class Gold(NamedTuple):
    """The evidence of a data set, as it stands in the stored texts."""

    spans: Mapping[str, tuple[Span, ...]]
    """By question."""
    texts: Mapping[str, str]
    """Stored text by uri."""
    held: Mapping[str, Sequence[tuple[int, int]]]
    """What the chunks hold of each text."""
    warnings: tuple[str, ...]


def measure_spans(
    dataset: SpanDataset,
    memory: Memory,
    configuration: EvalConfiguration,
    *,
    measures: Sequence[ChunkMeasure],
    progress: Callable[[Progress], None] | None = None,
) -> Measured:
    """Ask all questions and compare the best chunks, and contexts of several sizes, with the gold spans.

    Args:
        dataset: Its documents are in the memory under their uris.
        memory: What is searched.
        configuration: How it is searched, and the budgets.
        measures: Of spans, each with its number of chunks.
        progress: Called after each question.
    """
    retriever = SemanticRetriever(memory.semantic, config=configuration.retrieval)
    contexts = Contexts(
        memory, configuration, DEFAULT_BUDGETS if configuration.budgets is None else configuration.budgets
    )

    def search(_key: str, text: str) -> SearchResult:
        return retriever.search(text, limit=configuration.hits)

    def then(key: str, text: str, _result: SearchResult) -> None:
        contexts.build(key, text, scope=Scope())

    answers = ask({one.id: one.text for one in dataset.questions}, search, then=then, progress=progress)
    gold = _placed(dataset, memory)
    candidates = configuration.context.semantic_candidates
    outcomes = tuple(
        _outcome(one, answers, gold, contexts=contexts, measures=measures, candidates=candidates)
        for one in dataset.questions
    )
    recall = _recall_curve(gold, answers, [one.id for one in outcomes if one.values])
    return Measured(
        outcomes=outcomes,
        curves=curves_of(recall=recall, retention=retention(outcomes, contexts.budgets)),
        warnings=(*gold.warnings, *lacks(lack for result in answers.found.values() for lack in result.degraded)),
    )


def span_of(hit: Hit) -> Span:
    """Where a hit stands in its document."""
    return Span(uri=hit.citation.uri, start=hit.citation.start, end=hit.citation.end)


def _outcome(
    question: SpanQuestion,
    answers: Answers[SearchResult],
    gold: Gold,
    *,
    contexts: Contexts,
    measures: Sequence[ChunkMeasure],
    candidates: int,
) -> Outcome:
    spans = gold.spans[question.id]
    result = answers.found.get(question.id)
    hits = result.hits if result else ()
    outcome = Outcome(
        id=question.id,
        text=question.text,
        ranking=tuple(
            RankedItem(id=_name(span_of(hit)), score=hit.score, text=hit.text if rank < SHOWN_TEXTS else "")
            for rank, hit in enumerate(hits)
        ),
        values={},
        relevant=tuple(map(_name, spans)),
        slices=question.slices,
        answerable=question.answerable,
        seconds=answers.seconds.get(question.id),
        error=answers.errors.get(question.id, ""),
    )
    if not spans or not question.answerable:
        return outcome
    found = [span_of(hit) for hit in hits]
    built = contexts.of(question.id) or {}
    kept = {size: _spans_in(context) for size, context in built.items()}
    values = chunk_values(measures, spans, found)
    values.update({kept_name(size): span_scores(spans, kept.get(size, [])).recall for size in contexts.budgets})
    if result is None:
        return replace(outcome, values=values)
    loss = loss_of(
        set(map(_name, spans)),
        stored=_covered(spans, gold.held, gold),
        found=_covered(spans, by_document(found[:candidates]), gold),
        kept=_covered(spans, by_document(kept[contexts.size]), gold) if built else None,
    )
    return replace(outcome, values=values, loss=loss, tokens=built[contexts.size].tokens if built else None)


def _covered(spans: Sequence[Span], found: Mapping[str, Sequence[tuple[int, int]]], gold: Gold) -> set[str]:
    return {_name(span) for span in spans if covers(found, span, _text(gold, span))}


def _recall_curve(gold: Gold, answers: Answers[SearchResult], asked: Sequence[str]) -> tuple[tuple[float, float], ...]:
    """Mean span recall after so many chunks; empty where nothing was asked."""
    points = []
    for depth in DEPTHS if asked else ():
        values = [
            span_scores(gold.spans[key], [span_of(hit) for hit in answers.found[key].hits[:depth]]).recall
            for key in asked
            if key in answers.found
        ]
        points.append((float(depth), sum(values) / len(asked)))
    return tuple(points)


def _spans_in(context: Context) -> list[Span]:
    """What a context holds of documents."""
    return [
        Span(uri=item.citation.uri, start=start, end=end)
        for item in context.items
        if item.citation is not None
        for start, end in item.spans
    ]


def _placed(dataset: SpanDataset, memory: Memory) -> Gold:
    """Find the gold spans in the stored texts, which may differ from the files: hidden characters are removed."""
    texts = {info.uri: memory.semantic.read(info.id)[0] for info in memory.semantic.documents()}
    given = {document.uri: document.text for document in dataset.documents}
    other = {uri for uri, text in given.items() if texts.get(uri, text) != text}
    placed: dict[str, tuple[Span, ...]] = {}
    lost = 0
    for question in dataset.questions:
        spans = [
            _moved(span, given[span.uri], texts[span.uri]) if span.uri in other else span for span in question.spans
        ]
        lost += sum(span is None for span in spans)
        # What cannot be found stays where the data set has it: it counts as lost.
        placed[question.id] = tuple(new or old for new, old in zip(spans, question.spans, strict=True))
    warnings = []
    outside = sum(
        span.end > len(texts.get(span.uri, ""))
        for question in dataset.questions
        for span in question.spans
        if span.uri not in given
    )
    if outside:
        warnings.append(f"{outside} gold spans are of documents that are not stored, or end behind their text")
    if other:
        warnings.append(f"{len(other)} documents are stored with another text than they have in the data set")
    if lost:
        warnings.append(f"{lost} gold spans are not in the stored text word for word")
    held = by_document(Span(uri=one.uri, start=one.start, end=one.end) for one in chunk_places(memory.database))
    return Gold(placed, texts, held, tuple(warnings))


def _moved(span: Span, given: str, stored: str) -> Span | None:
    """Where the text of a span stands in the stored text: the place nearest to the old one."""
    quote = given[span.start : span.end]
    if not quote:
        return None
    after, before = stored.find(quote, span.start), stored.rfind(quote, 0, span.start + len(quote))
    places = [place for place in (after, before) if place >= 0]
    if not places:
        return None
    start = min(places, key=lambda place: abs(place - span.start))
    return Span(uri=span.uri, start=start, end=start + len(quote))


def _text(gold: Gold, span: Span) -> str:
    return gold.texts.get(span.uri, "")[span.start : span.end].ljust(span.end - span.start, "?")


def _name(span: Span) -> str:
    return f"{span.uri}:{span.start}-{span.end}"
