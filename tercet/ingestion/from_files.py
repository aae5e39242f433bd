"""Ingesting a file or a folder: plan, parse in worker processes, store, delete what vanished."""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from tercet.errors import ParseError, SourceError
from tercet.ingestion.completion import Completion
from tercet.ingestion.ignore import GlobFilter
from tercet.ingestion.packed import Contents, find_packed, unpacked
from tercet.ingestion.plan import FoundFile, PlanOptions, make_plan, settled_plan
from tercet.ingestion.pool import ParserPool, ParseTask, Unparsed
from tercet.ingestion.reading import hash_content, read_file
from tercet.ingestion.roots import Source, find_files, resolve_source
from tercet.ingestion.run import Batches, Run, Tally, check_metadata, effective_dates
from tercet.ingestion.sources import Scan
from tercet.memory.connections import DATABASE_FILE
from tercet.memory.stored import FileEntry, NewVersion
from tercet.records import DocumentFilter, FileFailure, Progress

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from tercet.ingestion.frames import ParsedFile
    from tercet.ingestion.packed import Packed
    from tercet.memory.ledger import Ledger, Root
    from tercet.records import IngestReport
    from tercet.settings import ParsingLimits, UnpackingLimits


class FileOptions(NamedTuple):
    """What the caller of ``ingest`` asked for, as far as it concerns files."""

    include: Sequence[str]
    exclude: Sequence[str]
    allow_delete: bool
    verify: bool
    retry_failed: bool
    dry_run: bool
    limits: ParsingLimits
    revision: str | None
    unpacking: UnpackingLimits


def ingest_files(
    source: str | os.PathLike[str], run: Run, options: FileOptions, *, embed: Literal["now", "later"]
) -> IngestReport:
    """Bring the corpus in line with a file, a folder, an archive or a git revision. See ``tercet.ingest``."""
    memory, target = run.memory, run.target
    corpus_id = memory.ledger.find_corpus(target.corpus, tenant=target.tenant, version=target.version)
    roots = [] if corpus_id is None else memory.ledger.roots(corpus_id)
    packed = find_packed(source, revision=options.revision)
    resolved = resolve_source(source, roots, unpacked_name=None if packed is None else packed.name)
    with _contents(resolved, packed, run, options) as contents:
        scan = contents.scan
        run.progress(Progress(phase="scan", done=len(scan.files), total=len(scan.files), item=str(resolved.path)))
        if not scan.files and not scan.failures and resolved.place.root is None:
            raise SourceError(
                f"{resolved.path} holds no file that can be ingested ({scan.skipped} of other formats were passed "
                "over).",
                remedy="Check the path, the globs and the .gitignore files that apply.",
            )
        if not options.dry_run:
            memory.claim()  # what is decided below must still be true when it is written
        job = _Job(run, resolved, packed, contents, options)
        if options.dry_run:
            return job.foresee()
        corpus_id = memory.ledger.corpus(target.corpus, tenant=target.tenant, version=target.version)
        with ParserPool(
            limits=options.limits,
            parsing=run.parsing,
            lexical=memory.lexical,
            chunking=run.chunking if run.structural else None,
            tokenizer_file=run.tokenizer_file,
        ) as pool:
            job.store(pool, corpus_id)
        job.delete()
        job.note_completion()
    return run.complete(job.tally, corpus_id, embed=embed)


@contextmanager
def _contents(source: Source, packed: Packed | None, run: Run, options: FileOptions) -> Iterator[Contents]:
    """The files of a source; those of an archive or revision are there only inside this context."""
    globs = GlobFilter(options.include, options.exclude) if options.include or options.exclude else None
    memory = run.memory
    if packed is None:
        memories = [] if memory.path is None else [memory.path]
        scan = find_files(source, globs=globs, memories=memories, memory_marker=DATABASE_FILE)
        yield Contents(top=source.path, scan=scan, seen_ns=time.time_ns())
        return
    if not options.dry_run:
        memory.claim()
    known = known_files(memory.ledger, source)
    again = options.verify or (options.retry_failed and any(entry.reason for entry in known.values()))
    if not again and _completion(source, packed, run, options).holds(known):
        yield Contents(top=source.path, scan=Scan(files=()), seen_ns=time.time_ns(), settled=True)
        return
    count = itertools.count(1)
    with unpacked(
        packed,
        source=source.path,
        limits=options.unpacking,
        parsing=options.limits,
        globs=globs,
        step=lambda path: run.progress(Progress(phase="scan", done=next(count), total=None, item=path)),
    ) as contents:
        yield contents


def _completion(source: Source, packed: Packed, run: Run, options: FileOptions) -> Completion:
    globs = (options.include, options.exclude)
    return Completion(run.memory.ledger, source, packed.stamp, config_hash=run.config_hash, globs=globs)


def known_files(ledger: Ledger, source: Source, root_ids: Mapping[str, int] | None = None) -> dict[str, FileEntry]:
    """The ledger's files in the part of the corpus that a source covers, by uri.

    Args:
        ledger: Of the memory.
        source: The source.
        root_ids: By name of the root; default: those known when the source was resolved.
    """
    if root_ids is None:
        root_ids = {place.name: place.root.id for place in source.places() if place.root is not None}
    return {
        place.uri(path): entry
        for place in source.places()
        if place.name in root_ids
        for path, entry in ledger.files(root_ids[place.name]).items()
        if place.holds(path)
    }


class _Job:
    """One source on its way into one corpus."""

    def __init__(
        self, run: Run, source: Source, packed: Packed | None, contents: Contents, options: FileOptions
    ) -> None:
        scan = contents.scan
        self._run = run
        self._ledger = run.memory.ledger
        self._source = source
        self._top = str(contents.top)
        self._seen_ns = contents.seen_ns
        self._known = known_files(self._ledger, source)
        self._completion = None if packed is None else _completion(source, packed, run, options)
        self._settled = contents.settled
        if self._completion is not None:
            self._known, _ = self._completion.split(self._known)
        self._max_bytes = int(options.limits.max_file_mb * 1e6)
        self._failures = [FileFailure(path=self._uri(failure.path), reason=failure.reason) for failure in scan.failures]
        lost_sight = {failure.path for failure in self._failures}
        folders = tuple(self._uri(folder) + ("" if folder else "/") for folder in scan.unread)
        if self._settled:
            self._plan = settled_plan(self._known)
        else:
            self._plan = make_plan(
                self._found_files(scan),
                self._known,
                PlanOptions(
                    config_hash=run.config_hash,
                    seen_ns=self._seen_ns,
                    verify=options.verify or source.moved,
                    retry_failed=options.retry_failed,
                    allow_delete=options.allow_delete,
                ),
                hash_file=self._hash,
                uncertain=lambda uri: uri in lost_sight or uri.startswith(folders),
                source=str(source.path),
            )
        self._old_uris = {new: old for old, new in self._plan.renamed}
        self._root_ids: dict[str, int] = {}
        self.tally = Tally(
            unchanged=self._plan.unchanged,
            failed=[*self._failures, *self._plan.still_failing],
            revision="" if packed is None else packed.commit,
        )

    def _uri(self, path: str) -> str:
        place, below = self._source.locate(path)
        return place.uri(below)

    def _found_files(self, scan: Scan) -> list[FoundFile]:
        found = []
        top = self._top
        for path, stamp in scan.files:
            place, below = self._source.locate(path)
            found.append(FoundFile(place.uri(below), place, below, f"{top}/{path}" if path else top, stamp))
        return found

    def _hash(self, location: str) -> str | None:
        try:
            return hash_content(read_file(location, max_bytes=self._max_bytes))
        except ParseError:
            return None

    def foresee(self) -> IngestReport:
        """The report of a run that changes nothing: what would be parsed, renamed and deleted."""
        plan, tally = self._plan, self.tally
        renamed_from = {old for old, _ in plan.renamed}
        tally.renamed = list(plan.renamed)
        for file in plan.parse:
            if file.uri not in self._old_uris:
                (tally.updated if file.uri in plan.updates else tally.added).append(file.uri)
        tally.deleted = [
            uri for uri, entry in plan.vanished if entry.document_id is not None and uri not in renamed_from
        ]
        return replace(
            tally.report(),
            vectors_missing=self._run.memory.semantic.missing_vectors(),
            total_s=time.perf_counter() - self._run.started,
            dry_run=True,
        )

    # -- storing -----------------------------------------------------------------------------------------------------

    def store(self, pool: ParserPool, corpus_id: int) -> None:
        """Parse and store what is new or changed; failures are noted in the ledger."""
        files = self._plan.parse
        roots = self._prepare_roots(corpus_id)
        self._root_ids = {name: root.id for name, root in roots.items()}
        self._ledger.record(self._plan.touched)
        taken = self._taken_uris([file.uri for file in files if file.uri not in self._known])
        by_uri = {file.uri: file for file in files}
        batches = Batches(
            self._run.memory,
            stored=self._stored,
            refused=lambda version, reason: self._fail(
                by_uri[version.uri], roots, Unparsed(reason, version.content_hash)
            ),
        )
        for index, outcome in pool.run([ParseTask(file.location, file.uri) for file in files]):
            file = files[index]
            if isinstance(outcome, Unparsed):
                self._fail(file, roots, outcome)
            elif file.uri in taken:
                reason = "has the uri of a document that was given with documents=; rename one of them"
                self._fail(file, roots, Unparsed(reason, outcome.content_hash))
            else:
                try:
                    batches.add(self._version(file, outcome, corpus_id, roots))
                except ParseError as error:
                    self._fail(file, roots, Unparsed(str(error), outcome.content_hash))
            self._run.progress(Progress(phase="parse", done=index + 1, total=len(files), item=file.uri))
        batches.flush()

    def _prepare_roots(self, corpus_id: int) -> dict[str, Root]:
        """Make sure that every root is in the ledger, at its present path; returns them by name."""
        roots = {}
        for place in self._source.places():
            if place.root is None:
                roots[place.name] = self._ledger.add_root(corpus_id, name=place.name, path=place.path)
            else:
                if place.root.path != place.path:
                    self._ledger.move_root(place.root.id, place.path)
                roots[place.name] = place.root
        return roots

    def _taken_uris(self, new: Sequence[str]) -> set[str]:
        """Those of some new uris that belong to a document which did not come from a file."""
        if not new:
            return set()
        target = self._run.target
        where = DocumentFilter(corpus=(target.corpus,), tenant=target.tenant or None, version=target.version)
        present = {info.uri for info in self._run.memory.semantic.documents(where) if info.tenant == target.tenant}
        return present.intersection(new)

    def _version(self, file: FoundFile, parsed: ParsedFile, corpus_id: int, roots: Mapping[str, Root]) -> NewVersion:
        document = parsed.document
        chunks = parsed.chunks if parsed.chunks is not None else self._run.cut(document, file.uri)
        check_metadata(document.metadata)
        effective_from, effective_to = effective_dates(document.metadata)
        return NewVersion(
            corpus_id=corpus_id,
            uri=file.uri,
            content_hash=parsed.content_hash,
            config_hash=self._run.config_hash,
            text=document.text,
            chunks=chunks,
            title=document.title,
            metadata=document.metadata,
            findings=document.findings,
            trust=self._run.target.trust,
            effective_from=effective_from,
            effective_to=effective_to,
            file=self._entry(file, roots, content_hash=parsed.content_hash),
            further=parsed.further,
        )

    def _entry(
        self, file: FoundFile, roots: Mapping[str, Root], *, content_hash: str, reason: str | None = None
    ) -> FileEntry:
        known = self._known.get(file.uri)
        return FileEntry(
            root_id=roots[file.place.name].id,
            path=file.path,
            stamp=file.stamp,
            seen_ns=self._seen_ns,
            content_hash=content_hash,
            config_hash=self._run.config_hash,
            reason=reason,
            document_id=None if known is None else known.document_id,
        )

    def _stored(self, version: NewVersion) -> None:
        if version.uri in self._old_uris:
            self.tally.renamed.append((self._old_uris[version.uri], version.uri))
        else:
            (self.tally.updated if version.uri in self._plan.updates else self.tally.added).append(version.uri)
        self.tally.chunks += version.chunk_count
        self.tally.truncated += self._run.too_long(version.chunks)
        if version.findings:
            self.tally.findings[version.uri] = version.findings

    def _fail(self, file: FoundFile, roots: Mapping[str, Root], outcome: Unparsed) -> None:
        """Note a failure; the version that was there before stays searchable."""
        self.tally.failed.append(FileFailure(path=file.uri, reason=outcome.reason))
        self._ledger.record([self._entry(file, roots, content_hash=outcome.content_hash, reason=outcome.reason)])

    # -- deleting ----------------------------------------------------------------------------------------------------

    def delete(self) -> None:
        """Remove the documents of vanished files, after everything new is in place."""
        renamed = {old for old, _ in self.tally.renamed}
        doomed = [(uri, entry.document_id) for uri, entry in self._plan.vanished if entry.document_id is not None]
        if doomed:
            self._run.memory.semantic.delete([document_id for _, document_id in doomed])
            self.tally.deleted = [uri for uri, _ in doomed if uri not in renamed]
        for place in self._source.places():
            gone = [
                entry.path
                for _, entry in self._plan.vanished
                if entry.document_id is None and place.root is not None and entry.root_id == place.root.id
            ]
            if place.root is not None:
                self._ledger.remove(place.root.id, gone)

    # -- archives and revisions --------------------------------------------------------------------------------------

    def note_completion(self) -> None:
        """Note that all of an archive or revision is in place; what was refused is looked for again the next time."""
        if self._completion is not None and not self._settled and not self._failures:
            known = known_files(self._ledger, self._source, self._root_ids)
            self._completion.note(self._root_ids[self._source.place.name], known, seen_ns=self._seen_ns)
