"""``Memory``: one folder (or one pair of URLs) that holds the stores, opened as a whole."""

from __future__ import annotations

import threading
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from tercet.errors import ConfigurationError
from tercet.memory.chosen_embedder import ChosenEmbedder, resolved
from tercet.memory.indexes import VectorIndexes
from tercet.records import Scope
from tercet.settings import ChunkingConfig, Durability, LexicalConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from qdrant_client import QdrantClient

    from tercet.memory.chosen_embedder import EmbedderRecord
    from tercet.memory.database import Database
    from tercet.memory.episodes.consolidating import Summarize
    from tercet.memory.episodic import EpisodicMemory
    from tercet.memory.exporting import ExportReport
    from tercet.memory.forgetting import Forgetting
    from tercet.memory.importing import ImportReport
    from tercet.memory.journal.sql import SqlJournal
    from tercet.memory.ledger import Ledger
    from tercet.memory.lock import FolderLock
    from tercet.memory.semantic import SemanticMemory
    from tercet.memory.workers import Workers
    from tercet.memory.working.memory import WorkingMemory
    from tercet.models.embedding import Embedder
    from tercet.records import AnyScope, DocumentFilter, ErasureReceipt, Progress

Config = TypeVar("Config", ChunkingConfig, LexicalConfig)


class Memory:
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
        from tercet.memory.episodic import EpisodicMemory
        from tercet.memory.ledger import Ledger  # SQLAlchemy loads with the first memory, not with tercet
        from tercet.memory.semantic import SemanticMemory
        from tercet.memory.working.memory import WorkingMemory

        self.path = path
        """The folder; None where the database is a server."""
        self.chunking = chunking
        self.lexical = lexical
        self.clock = clock
        """The time, with its zone; tests give one that stands still."""
        self.database = database
        self._embedder = ChosenEmbedder(database, embedder, path)
        self._lock: FolderLock | None = None
        self._opening = threading.RLock()
        self._claimed = False
        self._indexes = VectorIndexes(
            database,
            folder=path,
            qdrant=qdrant,
            api_key=qdrant_api_key,
            dimension=lambda: self.embedder_record.dimension,
            durability=durability,
            opening=self._opening,
            claim=self.claim,
        )
        self._finished: ErasureReceipt | None = None
        """Of an erasure that ``claim`` brought to its end, or found in the way of something."""
        self.workers: Workers | None = None
        """The processes that share the database; None: a folder belongs to one process."""
        if path is None:
            from tercet.memory.workers import Workers  # folders have no need of it

            self.workers = Workers(database)
        self.semantic: SemanticMemory = SemanticMemory(
            database,
            index=lambda: self._indexes.open("semantic"),
            rebuild_index=lambda: self._indexes.rebuild("semantic"),
            embedder=lambda: self.embedder,
            fingerprint=lambda: self.embedder_record.fingerprint,
            lexical=lexical,
            claim=self.claim,
            workers=self.workers,
        )
        self.episodic: EpisodicMemory = EpisodicMemory(
            database,
            index=lambda: self._indexes.open("episodic"),
            rebuild_index=lambda: self._indexes.rebuild("episodic"),
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
        from tercet.memory.database import Database

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
            memory._embedder.refuse_other()
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
        from tercet.memory.scopes import remembered

        with self.database.read() as connection:
            return remembered(connection, Scope.any(tenant=scope.tenant, agent=scope.agent))

    @cached_property
    def journal(self) -> SqlJournal:
        """What runs of agents did, their effects and approvals; in SQL only, like working memory."""
        from tercet.memory.journal.sql import SqlJournal  # it compiles its statements, which most commands never use

        return SqlJournal(self.database, clock=self.clock)

    # -- the embedder ------------------------------------------------------------------------------------------------

    @property
    def embedder(self) -> Embedder | None:
        """The embedder, resolved on first use (weights load with the first text); None: searched by words only.

        Raises:
            EmbedderUnavailableError: No weights could be resolved.
            EmbedderMismatchError: The weights that were resolved are not those the memory's vectors were made with.
        """
        return self._embedder.resolve()

    @property
    def embedder_record(self) -> EmbedderRecord:
        """Name, fingerprint and sizes of the embedder, without resolving it when the memory already knows them."""
        return self._embedder.record()

    def change_embedder(self, embedder: Embedder | str, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Give the memory another embedder and embed all texts again; resumable; returns the texts embedded."""
        new = resolved(embedder)
        self.claim()
        if self._embedder.change(new):
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
        runs: Sequence[str] = (),
        runs_before: datetime | None = None,
        documents: DocumentFilter | None = None,
        summarize: Summarize | None = None,
        dry_run: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> ErasureReceipt:
        """Erase records from everywhere in this memory: rows, vectors, words, versions, caches, mirrored pages, logs.

        An episode takes with it the records it was merged with, which hold the same text, and all that was derived
        from it, in whatever scope. Runs, effects and approvals of the journal stay as empty rows, which prove that they
        were and no more. The cost does not depend on how little is forgotten: the vector index is made anew
        from the database, and the database file is written anew.

        Args:
            scope: Whose records. A ``Scope``: of exactly this scope; ``Scope.any(…)``: of every scope that has these
                fields. Without ``episodes``, ``working``, ``runs`` and ``runs_before`` all of them go.
            episodes: Only these, by id.
            working: Only the working documents under these keys.
            runs: Only what these runs said and did, by id.
            runs_before: Only what runs said and did that did not change since; with ``runs``, of those.
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
            runs=runs,
            runs_before=runs_before,
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
        from tercet.memory.erasure import unfinished

        if unfinished(self.database) is not None:
            self._finished = self._forgetting().recover()

    def _forgetting(self) -> Forgetting:
        from tercet.memory.forgetting import Forgetting  # few processes forget

        return Forgetting(self, embedded_index=self._indexes.embedded)

    # -- handing over ------------------------------------------------------------------------------------------------

    def export(
        self,
        target: str | Path | IO[bytes],
        *,
        scope: Scope | AnyScope,
        vectors: bool = False,
        overwrite: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> ExportReport:
        """Write working documents and episodes, with all their history, as JSON Lines. Works beside other processes.

        The same records give the same bytes, on SQLite and on PostgreSQL, and again after they were imported into a new
        memory. Documents of semantic memory are not in it: they come from their sources, or from a backup.

        Args:
            target: A file, which appears whole or not at all and is readable by its owner only; or a binary stream.
            scope: A ``Scope``: its own records, not those of its ancestors. ``Scope.any(…)``: all that it covers.
            vectors: Also the dense vectors of the episodes, which an import otherwise makes again.
            overwrite: Replace the file if it exists.
            progress: Called after each thousand episodes.

        Raises:
            InputError: The file exists.
            DiskFullError: It does not fit.

        Example:
            >>> report = memory.export("ada.jsonl", scope=Scope.any(tenant="acme", user="ada"))  # doctest: +SKIP
        """
        from tercet.memory.portable import export_records  # few processes export

        return export_records(self, target, scope=scope, vectors=vectors, overwrite=overwrite, progress=progress)

    def import_(
        self,
        source: str | Path | IO[bytes],
        *,
        scope: Scope | AnyScope,
        embed: bool = True,
        progress: Callable[[Progress], None] | None = None,
    ) -> ImportReport:
        """Add the records of an export: all of them or, if anything is wrong, none.

        The file is checked as a whole before anything is written. Records that are there already are recognised, so
        that the same import may be repeated, after a kill too; a document or episode with a longer history in the file
        is carried on. What the memory has otherwise than the file is a conflict, and refused.

        Args:
            source: A file, or a binary stream.
            scope: Whose records are taken: a file with any others is refused. ``Scope.any()``: everybody's.
            embed: False leaves dense vectors to ``tercet embed``.
            progress: Called after each thousand episodes.

        Raises:
            ImportRefusedError: The file is damaged, of a newer version, or contradicts the memory.
            SourceError: There is no such file.
            MemoryLockedError: Another process holds the memory.

        Example:
            >>> report = memory.import_("ada.jsonl", scope=Scope.any(tenant="acme"))  # doctest: +SKIP
        """
        from tercet.memory.portable import import_records  # few processes import

        return import_records(self, source, scope=scope, embed=embed, progress=progress)

    # -- the lock ----------------------------------------------------------------------------------------

    def claim(self) -> None:
        """Become the one process that uses this folder, and clear away what a dead one left half-done.

        Raises:
            MemoryLockedError: Another process holds the folder; it is named.
        """
        with self._opening:
            if self._claimed:
                return
            if self.path is not None:
                from tercet.memory.lock import FolderLock

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
        self._embedder.remember()

    def _refuse_other_lexical(self, lexical: LexicalConfig) -> None:
        stored = self.database.get_meta("lexical")
        if stored is not None and stored != asdict(lexical):
            raise ConfigurationError(
                f"This memory was made with {LexicalConfig(**stored)}, not with {lexical}.",
                remedy="Leave lexical= out, or ingest into a new memory.",
            )

    def close(self) -> None:
        """Flush and release everything; a second call does nothing."""
        self._indexes.close()
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
