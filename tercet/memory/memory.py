"""``Memory``: one folder (or one pair of URLs) that holds the stores, opened as a whole."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tercet.errors import ConfigurationError, EmbedderMismatchError
from tercet.memory.portable import Portable
from tercet.records import Scope
from tercet.settings import ChunkingConfig, Durability, LexicalConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from qdrant_client import QdrantClient

    from tercet.memory.database import Database
    from tercet.memory.episodes.consolidating import Summarize
    from tercet.memory.episodic import EpisodicMemory
    from tercet.memory.forgetting import Forgetting
    from tercet.memory.ledger import Ledger
    from tercet.memory.lock import FolderLock
    from tercet.memory.semantic import SemanticMemory
    from tercet.memory.vectors import VectorIndex
    from tercet.memory.workers import Workers
    from tercet.memory.working.memory import WorkingMemory
    from tercet.models.embedding import Embedder
    from tercet.records import AnyScope, DocumentFilter, ErasureReceipt, Progress

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
VECTORS = {
    "semantic": ("corpus", "document", "attribute"),
    "episodic": ("scope", "time", "state", "kind", "entity"),
}
"""The collections of vectors, each with the integers it is filtered by: a folder below ``vectors/``, or a collection of
a server, where its name begins with ``tercet-``."""
LEXICAL_ONLY = "none"
"""Names no embedder: the memory is searched by words, and every result says so."""

Config = TypeVar("Config", ChunkingConfig, LexicalConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderRecord:
    """What a memory remembers of the model its vectors were made with."""

    spec: str
    fingerprint: str | None
    dimension: int | None
    max_tokens: int | None


class Memory(Portable):
    """The memories of a group of agents, in one place.

    Opening is cheap: no weights and no vectors are loaded before they are needed. The vectors of a folder belong to one
    process at a time, readers included; the lock is taken with the first search or write and released by ``close``.

    Example:
        >>> from tercet import Memory, ingest
        >>> with Memory.open("my-memory", embedder="none") as memory:  # doctest: +SKIP
        ...     ingest("docs/", into=memory)
    """

    def __init__(
        self,
        database: Database,
        *,
        path: Path | None,
        qdrant: str | QdrantClient | None,
        qdrant_api_key: str | None,
        embedder: Embedder | str | None,
        chunking: ChunkingConfig,
        lexical: LexicalConfig,
        durability: Durability,
        clock: Callable[[], datetime],
    ) -> None:
        from tercet.memory.episodic import EpisodicMemory  # noqa: PLC0415
        from tercet.memory.ledger import Ledger  # noqa: PLC0415  # SQLAlchemy loads with the first memory, not with tercet
        from tercet.memory.semantic import SemanticMemory  # noqa: PLC0415
        from tercet.memory.working.memory import WorkingMemory  # noqa: PLC0415

        self.path = path
        """The folder; None where the database is a server."""
        self.chunking = chunking
        self.lexical = lexical
        self.clock = clock
        """The time, with its zone; tests give one that stands still."""
        self.database = database
        self._qdrant = qdrant
        self._qdrant_api_key = qdrant_api_key
        self._durability = durability
        self._given = embedder
        self._resolved: Embedder | None = None
        self._indexes: dict[str, VectorIndex] = {}
        self._lock: FolderLock | None = None
        self._opening = threading.RLock()
        self._claimed = False
        self._finished: ErasureReceipt | None = None
        """Of an erasure that ``claim`` brought to its end, or found in the way of something."""
        self.workers: Workers | None = None
        """The processes that share the database; None: a folder belongs to one process."""
        if path is None:
            from tercet.memory.workers import Workers  # noqa: PLC0415  # folders have no need of it

            self.workers = Workers(database)
        self.semantic: SemanticMemory = SemanticMemory(
            database,
            index=self._open_index,
            rebuild_index=self._rebuild_index,
            embedder=lambda: self.embedder,
            fingerprint=lambda: self.embedder_record.fingerprint,
            lexical=lexical,
            claim=self.claim,
            workers=self.workers,
        )
        self.episodic: EpisodicMemory = EpisodicMemory(
            database,
            index=lambda: self._open_vectors("episodic"),
            rebuild_index=lambda: self._rebuild_vectors("episodic"),
            embedder=lambda: self.embedder,
            fingerprint=lambda: self.embedder_record.fingerprint,
            lexical=lexical,
            clock=clock,
            claim=self.claim,
        )
        self.ledger: Ledger = Ledger(database, claim=self.claim)
        self.working: WorkingMemory = WorkingMemory(database)
        """In SQL only, so that it works beside another process that holds the folder."""

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        database: str | None = None,
        qdrant: str | QdrantClient | None = None,
        qdrant_api_key: str | None = None,
        embedder: Embedder | str | None = None,
        chunking: ChunkingConfig | None = None,
        lexical: LexicalConfig | None = None,
        durability: Durability = "process",
        create: bool = True,
        read_only: bool = False,
        clock: Callable[[], datetime] | None = None,
    ) -> Memory:
        """Open a memory, and make it if there is none.

        Args:
            path: A folder, for the embedded engines. Leave it out when ``database`` and ``qdrant`` are given.
            database: ``postgresql://…``, together with ``qdrant``.
            qdrant: URL of a Qdrant server (or a client) that keeps the vectors; also possible beside a folder.
            qdrant_api_key: For a server that asks for one.
            embedder: An embedder, its name (a model, a folder with one, or ``"none"``), or None for the one the memory
                was made with (``all-MiniLM-L6-v2`` for a new one).
            chunking: How documents are cut from now on; None keeps what the memory was made with.
            lexical: How words are found; can only be chosen while the memory is empty.
            durability: ``"process"`` survives kill -9, ``"power"`` power loss too.
            create: False: raise if there is nothing yet.
            read_only: For looking only, beside a process that writes; cannot search.
            clock: What time it is, with a time zone; None: the system's clock. Episodes are recorded at its times.

        Raises:
            MemoryNotFoundError: Nothing is there, and it was not to be made.
            FormatVersionError: A newer Tercet wrote it.
            EmbedderMismatchError: Its vectors are of another model than ``embedder``.
            ConfigurationError: The arguments contradict each other or the memory.
        """
        from tercet.memory.database import Database  # noqa: PLC0415

        if (path is None) == (database is None):
            raise ConfigurationError(
                "A memory is either a folder or a database by URL.",
                remedy='Use Memory.open("folder") or Memory.open(database="postgresql://…", qdrant="http://…").',
            )
        if database is not None and qdrant is None:
            raise ConfigurationError(
                "A memory on a database server needs its vectors on a server too.",
                remedy="Give qdrant=, the URL of a Qdrant server.",
            )
        folder = None if path is None else Path(path)
        opened = Database.open(folder or str(database), durability=durability, create=create, read_only=read_only)
        try:
            memory = cls(
                opened,
                path=folder,
                qdrant=qdrant,
                qdrant_api_key=qdrant_api_key,
                embedder=embedder,
                chunking=_stored(opened, "chunking", chunking, ChunkingConfig()),
                lexical=_stored(opened, "lexical", lexical, LexicalConfig()),
                durability=durability,
                clock=clock or _system_clock,
            )
            if lexical is not None:
                memory._refuse_other_lexical(lexical)
            memory._refuse_other_embedder()
        except BaseException:
            opened.close()
            raise
        return memory

    def knows(self, scope: Scope) -> bool:
        """Whether anything was ever written to working or episodic memory for the agent of a scope, within its tenant.

        Example:
            >>> with Memory.open("my-memory") as memory:  # doctest: +SKIP
            ...     memory.knows(Scope(tenant="acme", agent="planner"))
        """
        from tercet.memory.scopes import visible_scopes  # noqa: PLC0415

        with self.database.read() as connection:
            return bool(visible_scopes(connection, Scope.any(tenant=scope.tenant, agent=scope.agent)))

    # -- the embedder ------------------------------------------------------------------------------------------------

    @property
    def embedder(self) -> Embedder | None:
        """The embedder, resolved on first use (weights load with the first text); None: searched by words only.

        Raises:
            EmbedderUnavailableError: No weights could be resolved.
            EmbedderMismatchError: The weights that were resolved are not those the memory's vectors were made with.
        """
        if self._resolved is None:
            spec = self._given if self._given is not None else self.embedder_record.spec
            if isinstance(spec, str):
                if spec == LEXICAL_ONLY:
                    return None
                from tercet.models.embedding import resolve_embedder  # noqa: PLC0415

                spec = resolve_embedder(spec)
            stored = self._stored_embedder()
            if stored is not None and stored.fingerprint not in (None, spec.fingerprint):
                raise self._mismatch(stored, spec.spec)
            self._resolved = spec
        return self._resolved

    @property
    def embedder_record(self) -> EmbedderRecord:
        """Name, fingerprint and sizes of the embedder, without resolving it when the memory already knows them."""
        stored = self._stored_embedder()
        if stored is not None:
            return stored
        if self._given is None or isinstance(self._given, str):
            spec = self._given or DEFAULT_EMBEDDER
            if spec == LEXICAL_ONLY:
                return EmbedderRecord(spec=spec, fingerprint=None, dimension=None, max_tokens=None)
            from tercet.models.embedding import resolve_embedder  # noqa: PLC0415

            self._resolved = self._resolved or resolve_embedder(spec)
            return _describe(self._resolved)
        return _describe(self._given)

    def _stored_embedder(self) -> EmbedderRecord | None:
        value = self.database.get_meta("embedder")
        return None if value is None else EmbedderRecord(**value)

    def _refuse_other_embedder(self) -> None:
        stored = self._stored_embedder()
        if stored is None or self._given is None:
            return
        given = self._given if isinstance(self._given, str) else self._given.spec
        other = given != stored.spec
        if not isinstance(self._given, str) and stored.fingerprint is not None:
            other = self._given.fingerprint != stored.fingerprint
        if other:
            raise self._mismatch(stored, given)

    def _mismatch(self, stored: EmbedderRecord, other: str) -> EmbedderMismatchError:
        place = f" --memory {self.path}" if self.path else ""
        return EmbedderMismatchError(
            f"The vectors of this memory were made with {stored.spec!r} (fingerprint {stored.fingerprint}), "
            f"not with {other!r} as it resolves here.",
            remedy=f"Open it without naming an embedder, or change it for good: tercet embed{place} --embedder {other}",
        )

    def change_embedder(self, embedder: Embedder | str, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Give the memory another embedder and embed all texts again; resumable; returns the texts embedded."""
        from sqlalchemy import delete, update  # noqa: PLC0415

        from tercet.memory.database import chunks, embeddings  # noqa: PLC0415
        from tercet.memory.schema import episodes  # noqa: PLC0415

        resolved: Embedder | None = None
        record = EmbedderRecord(spec=LEXICAL_ONLY, fingerprint=None, dimension=None, max_tokens=None)
        if isinstance(embedder, str) and embedder != LEXICAL_ONLY:
            from tercet.models.embedding import resolve_embedder  # noqa: PLC0415

            resolved = resolve_embedder(embedder)
        elif not isinstance(embedder, str):
            resolved = embedder
        if resolved is not None:
            record = _describe(resolved)
        self.claim()
        if record != self._stored_embedder():
            with self.database.write() as connection:
                self.database.set_meta("embedder", asdict(record), connection)
                self.database.set_meta("reindexing", "1", connection)
                connection.execute(delete(embeddings).where(embeddings.c.fingerprint != (record.fingerprint or "")))
                connection.execute(update(chunks).values(embedded=False))
                connection.execute(update(episodes).values(embedded=False))
            self._given = embedder
            self._resolved = resolved
            self.episodic.reindex(progress=progress)  # first: the mark above is removed by the other
            self.semantic.reindex(progress=progress)
        return self.semantic.embed_missing(progress=progress) + self.episodic.embed_missing(progress=progress)

    # -- forgetting --------------------------------------------------------------------------------------------------

    def forget(
        self,
        *,
        scope: Scope | AnyScope | None = None,
        episodes: Sequence[str] = (),
        working: Sequence[str] = (),
        documents: DocumentFilter | None = None,
        summarize: Summarize | None = None,
        dry_run: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> ErasureReceipt:
        """Erase records from everywhere in this memory: rows, vectors, words, versions, caches, mirrored pages, logs.

        An episode takes with it the records it was merged with, which hold the same text, and all that was derived
        from it, in whatever scope. The cost does not depend on how little is forgotten: the vector index is made anew
        from the database, and the database file is written anew.

        Args:
            scope: Whose records. A ``Scope``: of exactly this scope; ``Scope.any(…)``: of every scope that has these
                fields. Without ``episodes`` and ``working`` all of them go.
            episodes: Only these, by id.
            working: Only the working documents under these keys.
            documents: Documents of semantic memory; with a tenant those of the tenant, else those of nobody.
            summarize: Writes the summaries that were derived from forgotten episodes again, from what is left of their
                sources; without it they are removed.
            dry_run: Say what would go, and change nothing.
            progress: Called after each batch.

        Returns:
            What was removed, and whether it is *erased* or still *pending* and why.

        Raises:
            InputError: Nothing was named, or what was named is not there; nothing was forgotten.
            MemoryLockedError: Another process holds the memory.

        Example:
            >>> receipt = memory.forget(scope=Scope.any(tenant="acme", user="ada"))  # doctest: +SKIP
            >>> receipt.status, receipt.removed["episodes"]  # doctest: +SKIP
            ('erased', 12)
        """
        return self._forgetting().forget(
            scope=scope,
            episodes=episodes,
            working=working,
            documents=documents,
            summarize=summarize,
            dry_run=dry_run,
            progress=progress,
        )

    def finish_forgetting(self, *, progress: Callable[[Progress], None] | None = None) -> ErasureReceipt | None:
        """Bring an erasure that is pending, or that was cut off, to its end; None: there is none.

        The next process that claims the memory tries that by itself.
        """
        self.claim()
        found, self._finished = self._finished, None
        return self._forgetting().finish(progress) or found

    def _recover_forgetting(self) -> None:
        from tercet.memory.erasure import unfinished  # noqa: PLC0415

        if unfinished(self.database) is not None:
            self._finished = self._forgetting().recover()

    def _forgetting(self) -> Forgetting:
        from tercet.memory.forgetting import Forgetting  # noqa: PLC0415  # few processes forget

        return Forgetting(self, embedded_index=self._qdrant is None)

    # -- the index and the lock ----------------------------------------------------------------------------------------

    def claim(self) -> None:
        """Become the one process that uses this folder, and clear away what a dead one left half-done.

        Raises:
            MemoryLockedError: Another process holds the folder; it is named.
        """
        with self._opening:
            if self._claimed:
                return
            if self.path is not None:
                from tercet.memory.lock import FolderLock  # noqa: PLC0415

                self._lock = FolderLock(self.path)
                self._lock.acquire()
            self._claimed = True
            with self.database.exclusive("settings", wait=True):
                self._remember()
            self.episodic.recover()  # first: it reads the mark of an unfinished rebuild, which semantic memory removes
            self.semantic.recover()
            self._recover_forgetting()

    def _remember(self) -> None:
        """Note the settings in the memory, once there is something to remember."""
        for key, value in (("chunking", asdict(self.chunking)), ("lexical", asdict(self.lexical))):
            if self.database.get_meta(key) != value:
                self.database.set_meta(key, value)
        if self._stored_embedder() is None:
            self.database.set_meta("embedder", asdict(self.embedder_record))

    def _open_index(self) -> VectorIndex:
        return self._open_vectors("semantic")

    def _rebuild_index(self) -> VectorIndex:
        return self._rebuild_vectors("semantic")

    def _open_vectors(self, name: str) -> VectorIndex:
        self.claim()
        with self._opening:
            if name not in self._indexes:
                from tercet.memory.vectors import IndexSpec  # noqa: PLC0415

                spec = IndexSpec(dimension=self.embedder_record.dimension, integers=VECTORS[name])
                if self._qdrant is not None:
                    from tercet.memory.server import open_server  # noqa: PLC0415

                    with self.database.exclusive("collection", wait=True):  # one of several processes makes it
                        opened = open_server(self._qdrant, f"tercet-{name}", spec, api_key=self._qdrant_api_key)
                    self._indexes[name] = opened
                else:
                    from tercet.memory.edge import open_edge  # noqa: PLC0415

                    self._indexes[name] = open_edge(self._vectors_path(name), spec, durability=self._durability)
            return self._indexes[name]

    def _vectors_path(self, name: str) -> Path:
        assert self.path is not None, "without a folder the vectors are on a server"
        return self.path / "vectors" / name

    def _rebuild_vectors(self, name: str) -> VectorIndex:
        with self._opening:
            if name in self._indexes:
                self._indexes.pop(name).close()
            if self._qdrant is not None:
                from tercet.memory.server import drop_server  # noqa: PLC0415

                drop_server(self._qdrant, f"tercet-{name}", api_key=self._qdrant_api_key)
            else:
                from tercet.memory.edge import drop_edge  # noqa: PLC0415

                drop_edge(self._vectors_path(name))
            return self._open_vectors(name)

    def _refuse_other_lexical(self, lexical: LexicalConfig) -> None:
        stored = self.database.get_meta("lexical")
        if stored is not None and stored != asdict(lexical):
            raise ConfigurationError(
                f"This memory was made with {LexicalConfig(**stored)}, not with {lexical}.",
                remedy="Leave lexical= out, or ingest into a new memory.",
            )

    def close(self) -> None:
        """Flush and release everything; a second call does nothing."""
        for name in list(self._indexes):
            self._indexes.pop(name).close()
        if self.workers is not None:
            self.workers.close()
        self.database.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._claimed = False

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _stored(database: Database, key: str, given: Config | None, default: Config) -> Config:
    if given is not None:
        return given
    value = database.get_meta(key)
    return default if value is None else type(default)(**value)


def _system_clock() -> datetime:
    return datetime.now(UTC)


def _describe(embedder: Embedder) -> EmbedderRecord:
    return EmbedderRecord(
        spec=embedder.spec,
        fingerprint=embedder.fingerprint,
        dimension=embedder.dimension,
        max_tokens=embedder.max_tokens,
    )
