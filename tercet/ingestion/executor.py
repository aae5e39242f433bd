"""Who ingests the files of a run: the contract, and this process with its parser subprocesses."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tercet.errors import ParseError
from tercet.ingestion.pool import ParserPool, ParseTask, Unparsed
from tercet.ingestion.publishing.rules import rules_from_frame
from tercet.ingestion.run import Batches, check_metadata, effective_dates
from tercet.memory.stored import FileOutcome, NewVersion
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from tercet.ingestion.frames import ParsedFile
    from tercet.ingestion.run import Run
    from tercet.memory.stored import FileTask
    from tercet.settings import ParsingLimits


class Executor(Protocol):
    """Ingests files: parses, cuts and stores each, or notes in the ledger why it could not.

    Deciding which files these are, and what becomes of those that vanished, is the caller's.
    """

    def run(self, tasks: Sequence[FileTask]) -> Iterator[FileOutcome]:
        """Ingest files; yields what became of each once that is final, in any order.

        Raises:
            StoreError: The database or the vector index failed; what was yielded before is stored.
        """
        ...

    def close(self) -> None:
        """End the processes that were started for it."""
        ...


class LocalExecutor:
    """Stores in this process what its parser processes make of the files.

    Args:
        run: The ingest.
        corpus_id: Where documents go.
        limits: Processes, seconds and memory that parsing may take.
        progress: Called after each file; default: that of the run.
    """

    settle: Callable[[Connection, Sequence[FileOutcome]], None] | None = None
    """Called in each transaction that makes outcomes final; what it raises keeps them from that."""

    def __init__(
        self,
        run: Run,
        corpus_id: int,
        limits: ParsingLimits,
        *,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._run = run
        self._memory = run.memory
        self._corpus_id = corpus_id
        self._progress = progress or run.progress
        self._pool = ParserPool(
            limits=limits,
            parsing=run.parsing,
            lexical=run.memory.lexical,
            chunking=run.chunking if run.structural else None,
            tokenizer_file=run.tokenizer_file,
        )

    def close(self) -> None:
        """End the parser processes."""
        self._pool.close()

    def run(self, tasks: Sequence[FileTask]) -> Iterator[FileOutcome]:
        """Ingest files; outcomes come as batches are stored.

        Raises:
            ConfigurationError: No parser process can be started at all.
        """
        by_uri = {task.uri: task for task in tasks}
        ready: deque[FileOutcome] = deque()
        batches = Batches(
            self._memory,
            stored=lambda version: ready.append(self._outcome(version)),
            refused=lambda version, reason: ready.append(
                self._fail(by_uri[version.uri], Unparsed(reason, version.content_hash))
            ),
            also=self._settle_versions,
        )
        for index, parsed in self._pool.run([_parse_task(task) for task in tasks]):
            task = tasks[index]
            if isinstance(parsed, Unparsed):
                ready.append(self._fail(task, parsed))
            else:
                try:
                    batches.add(self._version(task, parsed))
                except ParseError as error:
                    ready.append(self._fail(task, Unparsed(str(error), parsed.content_hash)))
            self._progress(Progress(phase="parse", done=index + 1, total=len(tasks), item=task.uri))
            while ready:
                yield ready.popleft()
        batches.flush()
        yield from ready

    def _version(self, task: FileTask, parsed: ParsedFile) -> NewVersion:
        document = parsed.document
        chunks = parsed.chunks if parsed.chunks is not None else self._run.cut(document, task.uri)
        check_metadata(document.metadata)
        effective_from, effective_to = effective_dates(document.metadata)
        return NewVersion(
            corpus_id=self._corpus_id,
            uri=task.uri,
            content_hash=parsed.content_hash,
            config_hash=task.entry.config_hash,
            text=document.text,
            chunks=chunks,
            title=document.title,
            metadata=document.metadata,
            findings=document.findings,
            trust=self._run.target.trust,
            effective_from=effective_from,
            effective_to=effective_to,
            file=replace(task.entry, content_hash=parsed.content_hash, included=parsed.included),
            url=parsed.url,
            further=parsed.further,
        )

    def _outcome(self, version: NewVersion) -> FileOutcome:
        return FileOutcome(
            uri=version.uri,
            chunks=version.chunk_count,
            truncated=self._run.too_long(version.chunks),
            findings=version.findings,
        )

    def _settle_versions(self, connection: Connection, versions: Sequence[NewVersion]) -> None:
        if self.settle is not None:
            self.settle(connection, [self._outcome(version) for version in versions])

    def _fail(self, task: FileTask, unparsed: Unparsed) -> FileOutcome:
        """Note a failure; the version that was there before stays searchable."""
        outcome = FileOutcome(uri=task.uri, reason=unparsed.reason)
        entry = replace(task.entry, content_hash=unparsed.content_hash, reason=unparsed.reason)
        settle = self.settle
        also = None if settle is None else lambda connection: settle(connection, [outcome])
        self._memory.ledger.record([entry], also=also)
        return outcome


def _parse_task(task: FileTask) -> ParseTask:
    return ParseTask(task.location, task.uri, rules_from_frame(task.rules), task.root, task.below)
