"""Ingesting documents that the caller hands over as text."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from tercet.errors import InputError, ParseError
from tercet.ingestion.names import printable
from tercet.ingestion.parsers import format_of, parse
from tercet.ingestion.reading import hash_content
from tercet.ingestion.run import Batches, Run, Tally, check_metadata
from tercet.memory.stored import NewVersion
from tercet.records import Document, DocumentFilter, FileFailure, IngestReport, ParsedDocument, Progress
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tercet.memory.stored import DocumentInfo


def ingest_documents(
    documents: Iterable[Document], run: Run, *, embed: Literal["now", "later"], dry_run: bool
) -> IngestReport:
    """Store documents; those that are already there with the same content cost nothing. See ``tercet.ingest``."""
    given = _checked(documents)
    memory, target = run.memory, run.target
    if not dry_run:
        memory.claim()
    _refuse_uris_of_files(given, run)
    known = _known_documents(run)
    tally = Tally()
    changed: list[tuple[Document, str]] = []
    for document in given:
        content_hash = _hash(document)
        there = known.get(document.uri)
        if there is not None and (there.content_hash, there.config_hash) == (content_hash, run.config_hash):
            tally.unchanged += 1
        else:
            changed.append((document, content_hash))
    if dry_run:
        for document, _ in changed:
            (tally.updated if document.uri in known else tally.added).append(document.uri)
        return replace(
            tally.report(),
            vectors_missing=memory.semantic.missing_vectors(),
            total_s=time.perf_counter() - run.started,
            dry_run=True,
        )
    corpus_id = memory.ledger.corpus(target.corpus, tenant=target.tenant, version=target.version)

    def stored(version: NewVersion) -> None:
        (tally.updated if version.uri in known else tally.added).append(version.uri)
        tally.chunks += len(version.chunks)
        tally.truncated += run.too_long(version.chunks)
        if version.findings:
            tally.findings[version.uri] = version.findings

    def refused(version: NewVersion, reason: str) -> None:
        tally.failed.append(FileFailure(path=version.uri, reason=reason))

    batches = Batches(memory, stored=stored, refused=refused)
    for done, (document, content_hash) in enumerate(changed, 1):
        try:
            batches.add(_version(document, content_hash, run, corpus_id))
        except ParseError as error:
            tally.failed.append(FileFailure(path=document.uri, reason=str(error)))
        run.progress(Progress(phase="parse", done=done, total=len(changed), item=document.uri))
    batches.flush()
    return run.complete(tally, corpus_id, embed=embed)


def _checked(documents: Iterable[Document]) -> list[Document]:
    """All documents, before anything is written.

    Raises:
        InputError: One is no document, has no usable uri, or has that of another.
    """
    if isinstance(documents, str | bytes | Document):
        raise InputError(
            f"documents= is one {type(documents).__name__}, not several.",
            remedy="Give a list: documents=[Document(…)].",
        )
    given: list[Document] = []
    seen: set[str] = set()
    for position, document in enumerate(documents):
        if not isinstance(document, Document):
            raise InputError(
                f"documents[{position}] is a {type(document).__name__}, not a Document.",
                remedy="Make it one: tercet.Document(uri=…, text=…).",
            )
        if not document.uri or printable(document.uri) != document.uri:
            raise InputError(
                f"documents[{position}] has the uri {document.uri!r}.",
                remedy="A uri is a stable name without control characters.",
            )
        if document.uri in seen:
            raise InputError(
                f"Two documents have the uri {document.uri!r} (the second is documents[{position}]).",
                remedy="Give each its own; a uri names one document of a corpus.",
            )
        seen.add(document.uri)
        given.append(document)
    return given


def _refuse_uris_of_files(given: list[Document], run: Run) -> None:
    target, ledger = run.target, run.memory.ledger
    corpus_id = ledger.find_corpus(target.corpus, tenant=target.tenant, version=target.version)
    if corpus_id is None:
        return
    uris = {document.uri for document in given}
    for root in ledger.roots(corpus_id):
        if not any(uri == root.name or uri.startswith(root.name + "/") for uri in uris):
            continue
        for path in ledger.files(root.id):
            uri = f"{root.name}/{path}" if path else root.name
            if uri in uris:
                raise InputError(
                    f"The uri {uri!r} belongs to a file below {root.path}; a document cannot replace it.",
                    remedy="Give the document another uri, or another corpus.",
                )


def _known_documents(run: Run) -> Mapping[str, DocumentInfo]:
    target = run.target
    where = DocumentFilter(corpus=(target.corpus,), tenant=target.tenant or None, version=target.version)
    return {info.uri: info for info in run.memory.semantic.documents(where) if info.tenant == target.tenant}


def _hash(document: Document) -> str:
    days = [day.isoformat() if day else None for day in (document.effective_from, document.effective_to)]
    parts = [document.text, document.title, dict(document.metadata), *days]
    body = json.dumps(parts, sort_keys=True, default=repr, separators=(",", ":"))
    return hash_content(body.encode())


def _version(document: Document, content_hash: str, run: Run, corpus_id: int) -> NewVersion:
    check_metadata(document.metadata)
    start, end = document.effective_from, document.effective_to
    if start is not None and end is not None and end <= start:
        raise ParseError(f"is effective from {start} but no longer on {end}")
    parsed = _parsed(document, as_given=run.chunker is None)
    return NewVersion(
        corpus_id=corpus_id,
        uri=document.uri,
        content_hash=content_hash,
        config_hash=run.config_hash,
        text=parsed.text,
        chunks=run.cut(parsed, document.uri),
        title=parsed.title,
        metadata=document.metadata,
        findings=parsed.findings,
        trust=run.target.trust,
        effective_from=start,
        effective_to=end,
    )


def _parsed(document: Document, *, as_given: bool) -> ParsedDocument:
    """The document's text, sanitized, in blocks: by Markdown where the uri ends so, else by paragraphs."""
    title, in_title = sanitize(document.title)
    text, in_text = sanitize(document.text)
    findings = (*in_text, *in_title)
    if as_given:
        return ParsedDocument(text=text, blocks=(), title=title, findings=findings)
    markdown = format_of(document.uri) == "markdown"
    parsed = parse(text.encode(), name="document.md" if markdown else "document.txt")
    return replace(parsed, title=title or parsed.title, findings=(*findings, *parsed.findings))
