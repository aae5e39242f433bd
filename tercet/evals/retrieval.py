"""Retrieval measured: which documents a question finds, and which of them reach the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.evals.asking import ask
from tercet.evals.contexts import Contexts, retention
from tercet.evals.measured import Measured, curves_of, lacks, ranked_values
from tercet.evals.records import SHOWN_TEXTS, Outcome, RankedItem
from tercet.memory.places import chunk_places
from tercet.records import Scope
from tercet.retrieval.semantic import SemanticRetriever

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tercet.evals.configuration import EvalConfiguration
    from tercet.evals.datasets import RetrievalDataset
    from tercet.evals.measures import Measure
    from tercet.memory.memory import Memory
    from tercet.records import Hit, Progress, SearchResult
    from tercet.retrieval.context_records import Context


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
    contexts = Contexts(memory, configuration, configuration.budgets or ())

    def search(_key: str, text: str) -> SearchResult:
        return retriever.search(text, limit=configuration.hits)

    def then(key: str, text: str, _result: SearchResult) -> None:
        contexts.build(key, text, scope=Scope())

    answers = ask(dataset.queries, search, then=then, progress=progress)
    rankings = {key: best_chunks(result.hits) for key, result in answers.found.items()}
    run = {key: {item.id: item.score for item in ranking} for key, ranking in rankings.items()}
    judged = {key: dataset.qrels[key] for key in dataset.queries if key in dataset.qrels}
    values, recall = ranked_values(measures, judged, run, deepest=configuration.hits)
    stored = {place.uri for place in chunk_places(memory.database)}
    outcomes = []
    for key, text in dataset.queries.items():
        relevant = tuple(sorted(one for one, grade in dataset.qrels.get(key, {}).items() if grade > 0))
        outcome = Outcome(
            id=key,
            text=text,
            ranking=rankings.get(key, ()),
            values=values.get(key, {}),
            relevant=relevant,
            slices=dataset.slices.get(key, {}),
            answerable=key not in dataset.unanswerable,
            seconds=answers.seconds.get(key),
            error=answers.errors.get(key, ""),
        )
        if relevant:
            hits = () if outcome.error else answers.found[key].hits[: configuration.context.semantic_candidates]
            found = {hit.citation.uri for hit in hits}
            outcome = contexts.judged(outcome, evidence=relevant, stored=stored, found=found, holds=_uris)
        outcomes.append(outcome)
    return Measured(
        outcomes=tuple(outcomes),
        curves=curves_of(recall=recall, retention=retention(outcomes, contexts.budgets)),
        warnings=lacks(lack for result in answers.found.values() for lack in result.degraded),
    )


def best_chunks(hits: Sequence[Hit]) -> tuple[RankedItem, ...]:
    """Documents in the order of their best chunks, each with that chunk's score; the first ones with its text."""
    best: dict[str, RankedItem] = {}
    for hit in hits:
        if hit.citation.uri not in best:
            text = hit.text if len(best) < SHOWN_TEXTS else ""
            best[hit.citation.uri] = RankedItem(id=hit.citation.uri, score=hit.score, text=text)
    return tuple(best.values())


def _uris(context: Context) -> set[str]:
    return {citation.uri for citation in context.citations}
