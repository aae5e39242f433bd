"""What a memory holds, and whether its database and its vector index agree."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from tercet.memory.database import FORMAT_VERSION, chunks, corpora, documents, roots, stale_points, text_parts, versions
from tercet.memory.erasure import unfinished
from tercet.memory.journal.checks import microseconds
from tercet.memory.points import batches
from tercet.memory.schema import approvals, effects, episodes, runs, scopes, working_documents
from tercet.memory.scopes import FIELDS, scope_of, seen_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Table

    from tercet.memory.database import Database
    from tercet.memory.memory import Memory
    from tercet.memory.vectors import VectorIndex
    from tercet.records import AnyScope, Scope

_REPAIR = "Run: tercet doctor --repair (rebuilds the vectors from the database, embeds nothing)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStatus:
    """One corpus: how much of it is there."""

    name: str
    tenant: str
    version: str
    documents: int
    chunks: int
    vectors: int
    """Chunks whose dense vector is in the index."""
    roots: tuple[str, ...]
    """Folders and files it was ingested from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStatus:
    """What a memory holds; read from the database alone, so it works beside a process that writes."""

    place: str
    format_version: int
    embedder: str
    fingerprint: str | None
    corpora: tuple[CorpusStatus, ...]
    failures: Mapping[str, str]
    """Reason by uri of the files whose last ingest failed."""
    working_documents: int
    episodes: int
    episode_vectors: int
    """Episodes whose dense vector is in the index."""
    runs: int
    """Of agents, in the journal."""
    effects: int
    effects_in_doubt: int
    """Nobody knows whether they happened: a process died at it, or a tool could not say."""
    approvals: int
    approvals_pending: int
    """Calls that wait for a person, and can still be decided."""
    unfinished: int
    """Document versions of a write that is still going on, or that was killed."""
    bytes_on_disk: int | None
    """Of the folder; None where the database is a server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a memory, and what mends it."""

    what: str
    remedy: str


def status(memory: Memory) -> MemoryStatus:
    """Describe a memory without taking its lock or opening its vectors."""
    with memory.database.read() as connection:
        corpus_rows = connection.execute(select(corpora).order_by(corpora.c.name, corpora.c.tenant, corpora.c.version))
        found = tuple(
            CorpusStatus(
                name=row.name,
                tenant=row.tenant,
                version=row.version,
                documents=_count_documents(connection, row.id),
                chunks=row.chunks,
                vectors=_count_vectors(connection, row.id),
                roots=tuple(
                    connection.execute(
                        select(roots.c.path).where(roots.c.corpus_id == row.id).order_by(roots.c.path)
                    ).scalars()
                ),
            )
            for row in corpus_rows.all()
        )
        pending = connection.execute(
            select(func.count()).select_from(versions).where(versions.c.state == "pending")
        ).scalar_one()
        documents_of_tasks = _count(connection, working_documents)
        remembered = _count(connection, episodes)
        embedded = _count(connection, episodes, episodes.c.embedded)
        waiting = (approvals.c.state == "pending", approvals.c.expires_at > microseconds(memory.clock()))
        journal = {
            "runs": _count(connection, runs),
            "effects": _count(connection, effects),
            "effects_in_doubt": _count(connection, effects, effects.c.state == "in_doubt"),
            "approvals": _count(connection, approvals),
            "approvals_pending": _count(connection, approvals, *waiting),
        }
    stored = memory.database.get_meta("embedder") or {"spec": "not chosen yet", "fingerprint": None}
    size = None if memory.path is None else bytes_on_disk(memory.path)
    return MemoryStatus(
        place=memory.database.name if memory.path is None else str(memory.path),
        format_version=memory.database.get_meta("format_version") or FORMAT_VERSION,
        embedder=stored["spec"],
        fingerprint=stored["fingerprint"],
        corpora=found,
        failures=memory.ledger.failures(),
        working_documents=documents_of_tasks,
        episodes=remembered,
        episode_vectors=embedded,
        **journal,
        unfinished=pending,
        bytes_on_disk=size,
    )


def bytes_on_disk(folder: Path) -> int:
    """How much space the files of a folder take."""
    size = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # the log comes and goes
            size += file.stat().st_blocks * 512 if file.is_file() else 0
    return size


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleStatus:
    """One scope: how much it holds."""

    scope: Scope
    working: int
    episodes: int


def people(memory: Memory, reader: Scope | AnyScope) -> list[PeopleStatus]:
    """The scopes that a reader sees and that hold records, from the widest; read from the database alone."""
    of_working = select(func.count()).where(working_documents.c.scope_id == scopes.c.id).scalar_subquery()
    of_episodes = select(func.count()).where(episodes.c.scope_id == scopes.c.id).scalar_subquery()
    columns = [scopes.c[name] for name in FIELDS]
    query = select(*columns, of_working, of_episodes).where(seen_by(reader)).order_by(*columns)
    with memory.database.read() as connection:
        return [
            PeopleStatus(scope=scope_of((row[0], row[1], row[2], row[3])), working=row[4], episodes=row[5])
            for row in connection.execute(query)
            if row[4] or row[5]
        ]


def _count(connection: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def _count_documents(connection: Connection, corpus_id: int) -> int:
    query = select(func.count()).select_from(documents)
    return connection.execute(
        query.where(documents.c.corpus_id == corpus_id, documents.c.live_version.is_not(None))
    ).scalar_one()


def _count_vectors(connection: Connection, corpus_id: int) -> int:
    query = (
        select(func.count())
        .select_from(chunks)
        .join(versions, versions.c.id == chunks.c.version_id)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(documents.c.corpus_id == corpus_id, versions.c.state == "live", chunks.c.embedded)
    )
    return connection.execute(query).scalar_one()


def check(memory: Memory, *, repair: bool = False, chains: bool = False) -> list[Problem]:
    """Compare a memory's parts with each other; takes the lock, which also finishes what a killed writer left.

    Args:
        memory: The memory to look at.
        repair: Rebuild the vector index when it disagrees with the database, and delete points nobody owns.
        chains: Also read every run of the journal and compute its hash chain anew.

    Returns:
        What is wrong (with ``repair``: what still is).
    """
    memory.claim()
    problems = [*_check_database(memory.database), *_check_texts(memory.database), *_check_statistics(memory.database)]
    index_problems = _check_index(memory)
    if index_problems and repair:
        memory.semantic.reindex()
        index_problems = _check_index(memory)
    episode_problems = _check_episodes(memory)
    if episode_problems and repair:
        memory.episodic.reindex()
        episode_problems = _check_episodes(memory)
    chain_problems = _check_chains(memory) if chains else []
    return problems + index_problems + episode_problems + chain_problems + _check_erasure(memory)


def _check_chains(memory: Memory) -> list[Problem]:
    with memory.database.read() as connection:
        ids = list(connection.execute(select(runs.c.run_id).order_by(runs.c.id)).scalars())
    broken = [found for found in map(memory.journal.verify, ids) if not found.intact]
    return [
        Problem(
            what=f"run {found.run!r} is not as it was written from event {found.broken_at} on: {found.reason}",
            remedy="Compare it with a backup; nothing here can mend it.",
        )
        for found in broken
    ]


def _check_erasure(memory: Memory) -> list[Problem]:
    if unfinished(memory.database) is None:
        return []
    return [
        Problem(
            what="an erasure is pending: the files still hold bytes of what was forgotten",
            remedy="Run: tercet forget --finish (it says what is in the way)",
        )
    ]


def _check_database(database: Database) -> list[Problem]:
    if database.dialect != "sqlite":
        return []
    with database.read() as connection:
        answer = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check")]
    if answer == ["ok"]:
        return []
    return [Problem(what=f"{database.name} is damaged: {answer[0]}", remedy="Restore a backup: tercet restore")]


def _check_texts(database: Database) -> list[Problem]:
    """Every chunk must be exactly the span of the stored text that its citation names."""
    wrong: list[str] = []
    with database.read() as connection:
        live = select(versions.c.id).where(versions.c.state == "live").order_by(versions.c.id)
        for some in batches(list(connection.execute(live).scalars()), 50):
            texts = dict(
                connection.execute(select(versions.c.id, versions.c.text).where(versions.c.id.in_(some))).all()
            )
            spans = select(chunks.c.version_id, chunks.c.chunk_id, chunks.c.start, chunks.c.end, chunks.c.text)
            for version_id, chunk_id, start, end, text in connection.execute(
                spans.where(chunks.c.version_id.in_(some))
            ):
                if start < len(texts[version_id]) and texts[version_id][start:end] != text:
                    wrong.append(chunk_id)
        in_parts = select(text_parts.c.version_id, text_parts.c.start).order_by(text_parts.c.version_id)
        for version_id, start in connection.execute(in_parts.order_by(text_parts.c.start)).all():
            wrong += _wrong_in_part(connection, version_id, start)
    if not wrong:
        return []
    return [
        Problem(
            what=f"{len(wrong)} chunks are not the text their citation names, such as {wrong[0]}",
            remedy="Ingest their documents again with --verify.",
        )
    ]


def _wrong_in_part(connection: Connection, version_id: int, start: int) -> list[str]:
    text = connection.execute(
        select(text_parts.c.text).where(text_parts.c.version_id == version_id, text_parts.c.start == start)
    ).scalar_one()
    spans = select(chunks.c.id, chunks.c.chunk_id, chunks.c.start, chunks.c.end, chunks.c.text).where(
        chunks.c.version_id == version_id, chunks.c.start >= start, chunks.c.start < start + len(text)
    )
    return [
        chunk_id
        for _, chunk_id, first, end, held in connection.execute(spans)
        if text[first - start : end - start] != held
    ]


def _check_statistics(database: Database) -> list[Problem]:
    counted = (
        select(documents.c.corpus_id, func.count(chunks.c.id), func.coalesce(func.sum(chunks.c.length), 0))
        .join(versions, versions.c.document_id == documents.c.id)
        .join(chunks, chunks.c.version_id == versions.c.id)
        .where(versions.c.state == "live")
        .group_by(documents.c.corpus_id)
    )
    with database.read() as connection:
        real = {row[0]: (row[1], int(row[2])) for row in connection.execute(counted)}
        kept = connection.execute(select(corpora.c.id, corpora.c.name, corpora.c.chunks, corpora.c.length_total)).all()
    return [
        Problem(
            what=f"corpus {row.name!r} counts {row.chunks} chunks and {row.length_total} words, "
            f"but holds {real.get(row.id, (0, 0))}",
            remedy="Restore a backup, or ingest into a new memory.",
        )
        for row in kept
        if (row.chunks, row.length_total) != real.get(row.id, (0, 0))
    ]


def _check_index(memory: Memory) -> list[Problem]:
    in_index = _ids(memory.semantic.index)
    with memory.database.read() as connection:
        in_database = set(connection.execute(select(chunks.c.id)).scalars())
        stale = set(connection.execute(select(stale_points.c.id)).scalars())
    problems = []
    if missing := in_database - in_index:
        problems.append(Problem(what=f"{len(missing)} chunks are missing from the vector index", remedy=_REPAIR))
    if orphans := in_index - in_database - stale:
        problems.append(Problem(what=f"{len(orphans)} points of the vector index belong to no chunk", remedy=_REPAIR))
    return problems


def _check_episodes(memory: Memory) -> list[Problem]:
    with memory.database.read() as connection:
        in_database = set(connection.execute(select(episodes.c.id)).scalars())
    if not in_database:
        return []  # the index may never have been made
    in_index = _ids(memory.episodic.index)
    problems = []
    if missing := in_database - in_index:
        problems.append(Problem(what=f"{len(missing)} episodes are missing from the vector index", remedy=_REPAIR))
    if orphans := in_index - in_database:
        problems.append(Problem(what=f"{len(orphans)} points of the vector index belong to no episode", remedy=_REPAIR))
    return problems


def _ids(index: VectorIndex) -> set[int]:
    found: set[int] = set()
    last = -1
    while some := index.ids(after=last):
        found.update(some)
        last = some[-1]
    return found
