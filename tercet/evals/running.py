"""One configuration measured on one data set: from the documents to estimates with intervals."""

from __future__ import annotations

import platform
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from tercet.evals.configuration import EvalConfiguration
from tercet.evals.corpus import Stored, folder_for_memory, opened
from tercet.evals.datasets import ConversationDataset, RetrievalDataset, SpanDataset
from tercet.evals.embedding_cache import CachedEmbedder, default_cache_file
from tercet.evals.measures import parse_measure
from tercet.evals.records import EvalRun
from tercet.evals.slices import sliced
from tercet.evals.statistics import estimate
from tercet.evals.tasks import Task, make_task
from tercet.memory.chosen_embedder import LEXICAL_ONLY
from tercet.memory.memory import Memory
from tercet.models.embedding import resolve_embedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tercet.evals.datasets import Dataset
    from tercet.evals.measured import Measured
    from tercet.evals.records import Estimate, Outcome
    from tercet.models.embedding import Embedder
    from tercet.records import Progress


NO_VECTORS = "searches lacked dense"
"""No warning where no embedder was asked for."""
NOT_STORED = "not stored: "
"""Begins the warning about a document that could not be ingested."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A memory that is ready to be asked, and what went into it."""

    memory: Memory
    stored: Stored
    embedder: Embedder | None
    seconds: float


@contextmanager
def prepared(
    task: Task,
    configuration: EvalConfiguration,
    *,
    embedder: Embedder | None = None,
    cache: Path | None = None,
    keep: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Prepared]:
    """Make the memory of a task, or open the user's own, for as long as the block runs.

    Args:
        task: What is measured.
        configuration: How documents are cut and embedded.
        embedder: Instead of the one that the configuration names.
        cache: File that vectors are kept in; None: that of the user.
        keep: Folder for the memory; None: a temporary one.
        progress: Called while documents are ingested.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        if embedder is None and (spec := _spec(task, configuration)) != LEXICAL_ONLY:
            embedder = stack.enter_context(CachedEmbedder(resolve_embedder(spec), cache or default_cache_file()))
        if task.corpus is None:
            from tercet.evals.conversations import last_time  # few runs are of conversations

            assert isinstance(task.dataset, ConversationDataset)
            folder = stack.enter_context(folder_for_memory(keep))
            moment = last_time(task.dataset.conversations) or datetime.now(UTC)
            memory = stack.enter_context(
                Memory.open(
                    folder, embedder=embedder or LEXICAL_ONLY, lexical=configuration.lexical, clock=lambda: moment
                )
            )
            stored = Stored(documents=0, chunks=0, tokens=0)
        else:
            memory, stored = stack.enter_context(
                opened(task.corpus, configuration, embedder=embedder, keep=keep, progress=progress)
            )
        yield Prepared(memory, stored, embedder, time.perf_counter() - began)


def measure(
    task: Task,
    configuration: EvalConfiguration,
    ready: Prepared,
    *,
    name: str,
    progress: Callable[[Progress], None] | None = None,
) -> EvalRun:
    """Ask the questions of a task and add up what came back.

    Args:
        task: What is measured.
        configuration: How it is searched.
        ready: The memory, made with the same settings of cutting and embedding.
        name: Of the run.
        progress: Called after each question.
    """
    began, started = time.perf_counter(), datetime.now(UTC)
    found = _measured(task, configuration, ready.memory, progress)
    outcomes = tuple(
        replace(one, slices=slices)
        for one, slices in zip(found.outcomes, sliced(task.dataset, found.outcomes), strict=True)
    )
    settings = task.settings(configuration)
    if task.corpus is not None and task.corpus.memory is not None:
        memory = ready.memory
        own = {"chunking": asdict(memory.chunking), "lexical": asdict(memory.lexical)}
        settings.update(own, embedder=memory.embedder_record.spec)
    if ready.embedder is not None:
        settings["embedder_fingerprint"] = ready.embedder.fingerprint
    settings["stored"] = {
        "documents": ready.stored.documents,
        "chunks": ready.stored.chunks,
        "tokens": ready.stored.tokens,
    }
    failed = [one.id for one in outcomes if one.error]
    lacking = [one for one in found.warnings if ready.embedder is not None or one != NO_VECTORS]
    warnings = [*task.warnings, *lacking, *(f"{NOT_STORED}{one}" for one in ready.stored.failed)]
    unstored = [one for one in outcomes if one.loss == "write"]
    if unstored:
        warnings.append(
            f"{len(unstored)} questions have evidence that is not among what was stored, such as {unstored[0].id!r} "
            f"({', '.join(unstored[0].relevant[:3])})"
        )
    if failed:
        warnings.append(f"{len(failed)} questions failed and count 0: {', '.join(failed[:5])}")
    return EvalRun(
        name=name,
        dataset=task.facts,
        configuration=settings,
        versions={"tercet": version("tercet"), "python": platform.python_version()},
        seed=task.seed,
        started=started.isoformat(timespec="seconds"),
        seconds=ready.seconds + time.perf_counter() - began,
        measures=estimates(outcomes, first=task.measures, seed=task.seed),
        slices=_by_slice(outcomes, seed=task.seed),
        curves=found.curves,
        outcomes=outcomes,
        warnings=tuple(warnings),
    )


def run_eval(
    dataset: Dataset,
    configuration: EvalConfiguration | None = None,
    *,
    name: str = "",
    path: str | Path = "",
    measures: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    documents: Path | None = None,
    memory: Path | None = None,
    embedder: Embedder | None = None,
    cache: Path | None = None,
    keep: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> EvalRun:
    """Measure one configuration on one data set.

    Args:
        dataset: Documents with judgements, questions with gold spans, or conversations.
        configuration: How documents are cut, searched and compressed; None: the defaults.
        name: Of the run; empty: that of the data set.
        path: Where the data set was read from.
        measures: Such as ``"nDCG@10 R@100"``; None: those of the kind of data set.
        limit: So many questions, drawn at random under the seed.
        seed: Of the draw and of the intervals.
        documents: A file or folder to ingest, for a data set without documents.
        memory: A memory that is searched as it stands, for a data set without documents.
        embedder: Instead of the one that the configuration names; its vectors are then not cached.
        cache: File that vectors are kept in between runs; None: one in the user's cache folder.
        keep: Folder for the memory that is made; None: a temporary one.
        progress: Called after each step.

    Raises:
        ConfigurationError: The arguments contradict each other.
        InputError: Nothing could be stored, or there is no question.
        EmbeddingCacheError: The cache is damaged or cannot be used.

    Example:
        >>> from tercet import Document
        >>> from tercet.evals.datasets import RetrievalDataset
        >>> from tercet.testing import HashEmbedder
        >>> dataset = RetrievalDataset(
        ...     name="keys",
        ...     documents=(Document(uri="a", text="Rotate keys."), Document(uri="b", text="Lunch is at noon.")),
        ...     queries={"q1": "rotate a key"},
        ...     qrels={"q1": {"a": 1}},
        ... )
        >>> run = run_eval(dataset, embedder=HashEmbedder(), measures="RR")
        >>> run.measures["RR"].mean
        1.0
    """
    configuration = configuration or EvalConfiguration()
    if embedder is not None:
        configuration = replace(configuration, embedder=embedder.spec)
    task = make_task(dataset, path=path, measures=measures, limit=limit, seed=seed, documents=documents, memory=memory)
    with prepared(task, configuration, embedder=embedder, cache=cache, keep=keep, progress=progress) as ready:
        return measure(task, configuration, ready, name=name or task.facts.name, progress=progress)


def incomplete(run: EvalRun) -> bool:
    """Whether something failed in a run: a question, or a document that could not be stored.

    Evidence that is not stored is no failure of the run but what it measures: a gate judges it.
    """
    return any(one.error for one in run.outcomes) or any(one.startswith(NOT_STORED) for one in run.warnings)


def estimates(outcomes: Sequence[Outcome], *, seed: int, first: Sequence[str] = ()) -> dict[str, Estimate]:
    """The mean of every measure over the questions that have it; those named ``first`` come in their order."""
    found = dict.fromkeys(name for one in outcomes for name in one.values)
    names = dict.fromkeys([*(name for name in first if name in found), *found])
    return {
        name: estimate({one.id: one.values[name] for one in outcomes if name in one.values}, seed=seed)
        for name in names
    }


def _by_slice(outcomes: Sequence[Outcome], *, seed: int) -> dict[str, dict[str, Mapping[str, Estimate]]]:
    groups: dict[str, dict[str, list[Outcome]]] = {}
    for one in outcomes:
        for name, value in one.slices.items():
            groups.setdefault(name, {}).setdefault(value, []).append(one)
    return {
        name: {value: found for value in sorted(values) if (found := estimates(values[value], seed=seed))}
        for name, values in sorted(groups.items())
    }


def _measured(
    task: Task, configuration: EvalConfiguration, memory: Memory, progress: Callable[[Progress], None] | None
) -> Measured:
    # Each kind loads a part of the package that the others do without.
    if isinstance(task.dataset, SpanDataset):
        from tercet.evals.chunk_measures import parse_chunk_measures
        from tercet.evals.chunking import measure_spans

        of_chunks = parse_chunk_measures(" ".join(task.measures))
        return measure_spans(task.dataset, memory, configuration, measures=of_chunks, progress=progress)
    of_ranks = [parse_measure(one) for one in task.measures]
    if isinstance(task.dataset, RetrievalDataset):
        from tercet.evals.retrieval import measure_retrieval

        return measure_retrieval(task.dataset, memory, configuration, measures=of_ranks, progress=progress)
    from tercet.evals.conversations import measure_conversations

    return measure_conversations(task.dataset, memory, configuration, measures=of_ranks, progress=progress)


def _spec(task: Task, configuration: EvalConfiguration) -> str:
    """The embedder's name; that of the user's own memory where it is searched."""
    if task.corpus is None or task.corpus.memory is None:
        return configuration.embedder
    with Memory.open(task.corpus.memory, create=False, read_only=True) as memory:
        return memory.embedder_record.spec
