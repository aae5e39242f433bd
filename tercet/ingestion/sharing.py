"""One ingest done by several processes: batches of files in the database, which whoever is free claims.

The process that was asked to ingest (the coordinator) plans, deletes and reports as it would alone. In between it
writes the files to be parsed as batches and works through them itself, together with all the workers (``work``) that
are there, from none to many on many hosts. See ``design/batches.md``.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercet import __version__
from tercet.errors import ClaimLostError, ConfigurationError, MemoryLockedError, MemoryNotFoundError
from tercet.ingestion.executor import LocalExecutor
from tercet.ingestion.run import Run, Target
from tercet.memory.batches import BatchLedger
from tercet.records import Progress
from tercet.settings import ChunkingConfig, ParsingConfig, ParsingLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from tercet.ingestion.roots import Source
    from tercet.memory.batches import Batch
    from tercet.memory.memory import Memory
    from tercet.memory.stored import FileOutcome, FileTask

BATCH_FILES = 32
BATCH_BYTES = 8_000_000
PAUSE_S = 0.2
"""Between two looks whether others are done."""
POLL_S = 1.0
"""Between two looks for work of a worker that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReport:
    """What one worker did."""

    batches: int = 0
    files: int = 0
    failed: int = 0
    """Those of ``files`` that could not be ingested."""
    embedded: int = 0
    """Texts."""
    refused: tuple[str, ...] = ()
    """Why ingests were left to others."""


@contextmanager
def sole_run(run: Run, root: str, *, dry_run: bool) -> Iterator[None]:
    """Be the only process that ingests a root of a corpus, and discard what one that died left unfinished of it.

    What that one had stored is in the ledger, so that the plan made in here passes over it. A worker may still be at
    one of its batches: it cannot finish it any more.

    Raises:
        MemoryLockedError: Another process ingests it.
    """
    memory, target = run.memory, run.target
    if memory.workers is None or dry_run:
        yield
        return
    memory.claim()
    name = "\n".join(("ingest", target.corpus, target.tenant, target.version, root))
    with memory.database.exclusive(name) as free:
        if not free:
            raise MemoryLockedError(
                f"Another process is ingesting {root!r} into the corpus {target.corpus!r} of {memory.database.name}.",
                remedy="Wait until it ends. To help it, start `tercet worker` if it was started with --distribute.",
            )
        corpus_id = memory.ledger.find_corpus(target.corpus, tenant=target.tenant, version=target.version)
        if corpus_id is not None:
            BatchLedger(memory.database, memory.workers).discard(corpus_id=corpus_id, root=root)
        yield


class SharedExecutor:
    """Shares the files of a run with all workers of the database.

    Args:
        run: The ingest.
        corpus_id: Where documents go.
        source: Where the files come from.
        limits: What parsing may take, here and elsewhere.
    """

    def __init__(self, run: Run, corpus_id: int, source: Source, limits: ParsingLimits) -> None:
        assert run.memory.workers is not None, "a folder has no other processes"
        self._run = run
        self._memory = run.memory
        self._batches = BatchLedger(run.memory.database, run.memory.workers)
        self._corpus_id = corpus_id
        self._root = source.place.name
        self._settings = _settings(run, source, limits)
        self._local = LocalExecutor(run, corpus_id, limits, progress=lambda step: None)

    def close(self) -> None:
        """End the parser processes of this host."""
        self._local.close()

    def run(self, tasks: Sequence[FileTask]) -> Iterator[FileOutcome]:
        """Ingest files together with others; outcomes come when all are done.

        Raises:
            ClaimLostError: Another process took over the whole ingest, because this one seemed dead.
        """
        if not tasks:
            return
        job_id = self._batches.submit(self._corpus_id, self._root, self._settings, list(_parts(tasks)))
        try:
            self._work(job_id, len(tasks))
            found = self._batches.outcomes(job_id)
        finally:
            self._batches.discard(corpus_id=self._corpus_id, root=self._root)
        if len(found) < len(tasks):
            raise ClaimLostError(
                f"Another process took over the ingest of {self._root!r}: the connection to the database was lost.",
                remedy="Wait until it ends, then run the same command again.",
            )
        yield from found

    def _work(self, job_id: int, total: int) -> None:
        left = 1
        while left:
            batch = self._batches.claim(job_id=job_id)
            if batch is not None:
                _do(self._memory, self._batches, self._local, batch)
            done, left = self._batches.count(job_id)
            self._run.progress(Progress(phase="parse", done=done, total=total))
            if batch is None and left:
                time.sleep(PAUSE_S)


def work(
    memory: Memory,
    *,
    embed: bool = True,
    once: bool = False,
    parsers: int | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[WorkReport], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> WorkReport:
    """Take part in the ingests of a memory on servers: batches of files first, then texts without a vector.

    Args:
        memory: On servers; something was, or is being, ingested into it.
        embed: Make dense vectors, too.
        once: End when there is nothing left to claim; else wait for more.
        parsers: Parser processes; None: one per processor, four at most.
        stop: When set, the batch at hand is finished and no other begun.
        progress: Called after each batch, with what was done so far.
        note: Called with a sentence about each ingest that this process has to leave to others.

    Raises:
        ConfigurationError: The memory is a folder.
        MemoryNotFoundError: Nothing was ever ingested into the memory.
        EmbedderUnavailableError: No weights could be resolved.

    Example:
        >>> from tercet import Memory
        >>> from tercet.ingestion.sharing import work
        >>> with Memory.open(database="postgresql://…", qdrant="http://…") as memory:  # doctest: +SKIP
        ...     report = work(memory, once=True)
    """
    return _Worker(memory, embed=embed, parsers=parsers, note=note or (lambda text: None)).serve(
        once=once, stop=stop or threading.Event(), progress=progress or (lambda report: None)
    )


class _Worker:
    def __init__(self, memory: Memory, *, embed: bool, parsers: int | None, note: Callable[[str], None]) -> None:
        if memory.workers is None:
            raise ConfigurationError(
                f"The memory {memory.path} is a folder, which belongs to one process.",
                remedy="Keep the memory on servers: --database postgresql://… --qdrant http://…",
            )
        if memory.database.get_meta("embedder") is None:
            raise MemoryNotFoundError(
                f"Nothing was ingested into {memory.database.name} yet.",
                remedy="Run `tercet ingest SOURCE --distribute` first: it says with which model and settings.",
            )
        self._memory = memory
        self._embed = embed
        self._parsers = parsers
        self._note = note
        self._batches = BatchLedger(memory.database, memory.workers)
        self._refused: dict[int, str] = {}
        self._local: tuple[int, LocalExecutor] | None = None
        """The executor of the job at hand, and the job's id."""

    def serve(self, *, once: bool, stop: threading.Event, progress: Callable[[WorkReport], None]) -> WorkReport:
        self._memory.claim()
        report = WorkReport()
        try:
            while not stop.is_set():
                step = self._step(report)
                if step is not None:
                    report = step
                    progress(report)
                elif once:
                    break
                else:
                    stop.wait(POLL_S)
        finally:
            self._end_job()
        return report

    def _step(self, before: WorkReport) -> WorkReport | None:
        """Do one thing; None: there is nothing to do."""
        batch = self._batches.claim(but_not=self._refused)
        if batch is None:
            self._end_job()
            texts = self._memory.semantic.embed_some() if self._embed else None
            return None if texts is None else replace(before, embedded=before.embedded + texts)
        executor = self._executor(batch)
        if executor is None:
            self._batches.release(batch)
            return replace(before, refused=tuple(self._refused.values()))
        found = _do(self._memory, self._batches, executor, batch)
        if found is None:
            self._end_job()
            return before
        return replace(
            before,
            batches=before.batches + 1,
            files=before.files + len(found),
            failed=before.failed + sum(1 for outcome in found if outcome.reason is not None),
        )

    def _executor(self, batch: Batch) -> LocalExecutor | None:
        """What does the batches of a job here; None: nothing, the job has to be left to others."""
        job = batch.job
        if self._local is None or self._local[0] != job.id:
            self._end_job()
            settings = job.settings
            run = _run(self._memory, settings)
            reason = _misfit(run, settings)
            if reason:
                self._refuse(batch, reason)
                return None
            limits = replace(ParsingLimits(**settings["limits"]), workers=self._parsers)
            self._local = (job.id, LocalExecutor(run, job.corpus_id, limits))
        reason = _elsewhere(batch)
        if reason:
            self._refuse(batch, reason)
            return None
        return self._local[1]

    def _refuse(self, batch: Batch, reason: str) -> None:
        self._refused[batch.job.id] = reason
        self._note(reason)

    def _end_job(self) -> None:
        if self._local is not None:
            self._local[1].close()
            self._local = None


def _do(memory: Memory, batches: BatchLedger, executor: LocalExecutor, batch: Batch) -> list[FileOutcome] | None:
    """Do a batch; what became of its files. None: somebody else took it over, and the executor was stopped half-way."""
    executor.settle = partial(_settle, batches, batch)
    found: list[FileOutcome] = []
    try:
        found.extend(executor.run(batch.tasks))
    except ClaimLostError:
        memory.semantic.recover()  # what was pending of it is nobody's
        return None
    except BaseException:
        batches.release(batch)
        raise
    else:
        batches.finish(batch)
    return found


def _settle(batches: BatchLedger, batch: Batch, connection: Connection, found: Sequence[FileOutcome]) -> None:
    batches.settle(connection, batch, found)


def _parts(tasks: Sequence[FileTask]) -> Iterator[list[FileTask]]:
    """Cut the files into batches, limited by number and by size."""
    part: list[FileTask] = []
    size = 0
    for task in tasks:
        if part and (len(part) == BATCH_FILES or size + task.entry.stamp.size > BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(task)
        size += task.entry.stamp.size
    if part:
        yield part


def _settings(run: Run, source: Source, limits: ParsingLimits) -> dict[str, Any]:
    return {
        "tercet": __version__,
        "source": str(source.path),
        "target": asdict(run.target),
        "structural": run.structural,
        "parsing": asdict(run.parsing),
        "chunking": asdict(run.chunking),
        "limits": asdict(limits),
        "config_hash": run.config_hash,
    }


def _run(memory: Memory, settings: Mapping[str, Any]) -> Run:
    return Run(
        memory,
        Target(**settings["target"]),
        "structural" if settings["structural"] else None,
        ParsingConfig(**settings["parsing"]),
        None,
        chunking=ChunkingConfig(**settings["chunking"]),
    )


def _misfit(run: Run, settings: Mapping[str, Any]) -> str:
    """Why this process would make something else of the files than the coordinator; empty: it would not."""
    if run.config_hash == settings["config_hash"]:
        return ""
    versions = f"it runs Tercet {settings['tercet']}, this is {__version__}"
    return (
        f"The ingest of {settings['source']} is left to others: its coordinator makes other chunks than this process "
        f"would ({versions}). Use the same version and the same model, and start the worker again."
    )


def _elsewhere(batch: Batch) -> str:
    """Why the files of a batch cannot be read here as the coordinator sees them; empty: they can."""
    for task in batch.tasks:
        stamp = task.entry.stamp
        try:
            here = Path(task.location).stat()
        except OSError as error:
            what = f"{task.location} cannot be read on this host ({error.strerror})"
        else:
            if (here.st_size, here.st_mtime_ns) == (stamp.size, stamp.mtime_ns):
                continue
            what = f"{task.location} is another file on this host, or was changed meanwhile"
        return f"The ingest is left to others: {what}. Mount the folder at the same path on every host."
    return ""
