"""Retrieval measured: which documents a question finds, and which of them reach the context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tercet.evals.asking import ask
from tercet.evals.evidence import loss_of
from tercet.evals.measures import Measure, evaluate
from tercet.evals.records import Outcome, RankedItem
from tercet.memory.places import chunk_places
from tercet.records import Scope
from tercet.retrieval.context import ContextBuilder
from tercet.retrieval.semantic import SemanticRetriever

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tercet.evals.configuration import EvalConfiguration
    from tercet.evals.datasets import RetrievalDataset
    from tercet.memory.memory import Memory
    from tercet.records import Hit, Progress, SearchResult
    from tercet.retrieval.context_records import Context

Curves = Mapping[str, tuple[tuple[float, float], ...]]

DEPTHS = (1, 2, 3, 5, 10, 20, 50, 100, 200)
"""Where the curve of recall is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What became of every question."""

    outcomes: tuple[Outcome, ...]
    curves: Curves
    warnings: tuple[str, ...] = ()


def builder_of(memory: Memory, configuration: EvalConfiguration) -> ContextBuilder:
    """Builds contexts as the configuration says."""
    return ContextBuilder(
        memory,
        counter=configuration.counter,
        config=configuration.context,
        compression=configuration.compression,
        retrieval=configuration.retrieval,
        episodic=configuration.episodic,
    )


def measure_retrieval(
    dataset: RetrievalDataset,
    memory: Memory,
    configuration: EvalConfiguration,
    *,
    measures: Sequence[Measure],
    progress: Callable[[Progress], None] | None = None,
) -> Measured:
    """Ask all questions; a document counts as its best chunk.

    Args:
        dataset: Its documents are in the memory under their uris.
        memory: What is searched.
        configuration: How it is searched.
        measures: What is computed of each ranking.
        progress: Called after each question.
    """
    retriever = SemanticRetriever(memory.semantic, config=configuration.retrieval)
    budgets = configuration.budgets or ()
    sizes = tuple(dict.fromkeys((*budgets, configuration.context.budget)))
    contexts: dict[str, dict[int, Context]] = {}
    builder = builder_of(memory, configuration) if budgets else None
    degraded: set[str] = set()

    def search(_key: str, text: str) -> SearchResult:
        return retriever.search(text, limit=configuration.hits)

    def then(key: str, text: str, result: SearchResult) -> None:
        degraded.update(result.degraded)
        if builder is not None:
            built = builder.build_sizes(text, budgets=sizes, scope=Scope())
            contexts[key] = dict(zip(sizes, built, strict=True))

    answers = ask(dataset.queries, search, then=then, progress=progress)
    rankings = {key: best_chunks(result.hits) for key, result in answers.found.items()}
    run = {key: {item.id: item.score for item in ranking} for key, ranking in rankings.items()}
    judged = {key: dataset.qrels[key] for key in dataset.queries if key in dataset.qrels}
    depths = [Measure("R", cutoff=depth) for depth in DEPTHS if depth <= configuration.hits]
    values = evaluate([*measures, *depths], judged, run)
    stored = {place.uri for place in chunk_places(memory.database)}
    outcomes = []
    for key, text in dataset.queries.items():
        relevant = tuple(sorted(one for one, grade in dataset.qrels.get(key, {}).items() if grade > 0))
        outcome = Outcome(
            id=key,
            text=text,
            ranking=rankings.get(key, ()),
            values={str(measure): values[measure][key] for measure in measures if key in judged},
            relevant=relevant,
            slices=dataset.slices.get(key, {}),
            answerable=key not in dataset.unanswerable,
            seconds=answers.seconds.get(key),
            error=answers.errors.get(key, ""),
        )
        if relevant and not outcome.error:
            candidates = answers.found[key].hits[: configuration.context.semantic_candidates]
            found = {hit.citation.uri for hit in candidates}
            outcome = _with_contexts(outcome, contexts.get(key), budgets, configuration.context.budget)
            kept = _uris(contexts[key][configuration.context.budget]) if key in contexts else None
            outcome = replace(outcome, loss=loss_of(relevant, stored=stored, found=found, kept=kept))
        elif budgets and relevant:
            outcome = replace(outcome, values={**outcome.values, **{kept_name(one): 0.0 for one in budgets}})
        outcomes.append(outcome)
    asked = [one for one in outcomes if one.values]
    curves: dict[str, tuple[tuple[float, float], ...]] = {}
    if asked:
        curves["recall against k"] = tuple(
            (float(one.cutoff or 0), sum(values[one][each.id] for each in asked) / len(asked)) for one in depths
        )
        if budgets:
            curves["retention against budget"] = retention(outcomes, budgets)
    return Measured(outcomes=tuple(outcomes), curves=curves, warnings=lacks(degraded))


def best_chunks(hits: Sequence[Hit]) -> tuple[RankedItem, ...]:
    """Documents in the order of their best chunks, each with that chunk's score and text."""
    best: dict[str, RankedItem] = {}
    for hit in hits:
        if hit.citation.uri not in best:
            best[hit.citation.uri] = RankedItem(id=hit.citation.uri, score=hit.score, text=hit.text)
    return tuple(best.values())


def kept_name(budget: int) -> str:
    """What the share of evidence is called that a context of so many tokens keeps.

    Example:
        >>> kept_name(512)
        'kept@512'
    """
    return f"kept@{budget}"


def retention(outcomes: Sequence[Outcome], budgets: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """The mean share of evidence that is kept, by budget."""
    points = []
    for budget in budgets:
        shares = [one.values[kept_name(budget)] for one in outcomes if kept_name(budget) in one.values]
        points.append((float(budget), sum(shares) / len(shares) if shares else 0.0))
    return tuple(points)


def lacks(degraded: set[str]) -> tuple[str, ...]:
    """Warnings about what searches lacked."""
    return tuple(f"searches lacked {lack}" for lack in sorted(degraded))


def _with_contexts(
    outcome: Outcome, contexts: Mapping[int, Context] | None, budgets: Sequence[int], budget: int
) -> Outcome:
    if contexts is None:
        return outcome
    wanted = set(outcome.relevant)
    shares = {kept_name(one): len(wanted & _uris(contexts[one])) / len(wanted) for one in budgets}
    return replace(outcome, values={**outcome.values, **shares}, tokens=contexts[budget].tokens)


def _uris(context: Context) -> set[str]:
    return {citation.uri for citation in context.citations}
