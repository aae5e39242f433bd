"""Episodic memory: what happened, who said or did it, when, and what came of it.

Every record is kept as it came and never changed. What happens to it later (it is superseded, retracted, merged with
another, expired, or any of that is undone) is noted beside it, so that the memory can say what is believed now, what
was believed at any earlier time, and why. The store keeps and finds; ``EpisodicRetriever`` ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from tercet.memory.episodes.auditing import AuditFinding, audit
from tercet.memory.episodes.changes import EpisodeChanges
from tercet.memory.episodes.consolidating import ConsolidationReport, summarize_conversations
from tercet.memory.episodes.deciding import EpisodeDecisions
from tercet.memory.episodes.drafts import Draft, drafts_of, microseconds
from tercet.memory.episodes.duplicates import repeats
from tercet.memory.episodes.finding import EpisodeFinder
from tercet.memory.episodes.indexing import WINDOW, EpisodeIndexer
from tercet.memory.episodes.reading import contents, load, neighbours, open_reviews, rows_of
from tercet.memory.episodes.records import RecordResult
from tercet.memory.episodes.retention import Retention, due
from tercet.memory.episodes.writing import EpisodeWriter
from tercet.memory.schema import episodes
from tercet.memory.scopes import on_line_of, own_scopes, seen_by
from tercet.models.lexical import Analyzer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement

    from tercet.memory.database import Database
    from tercet.memory.episodes.consolidating import Summarize
    from tercet.memory.episodes.records import (
        Episode,
        EpisodeCandidate,
        EpisodeCandidates,
        EpisodeKind,
        EpisodeSelection,
        StoredEpisode,
        Turn,
    )
    from tercet.memory.vectors import VectorIndex
    from tercet.models.embedding import Embedder
    from tercet.models.lexical import TermCounts
    from tercet.records import AnyScope, Metadata, Progress, Scope, Trust
    from tercet.settings import LexicalConfig


class EpisodicMemory(EpisodeDecisions):
    """The history of a memory. Opened by ``Memory.open``, as ``memory.episodic``."""

    def __init__(
        self,
        database: Database,
        *,
        index: Callable[[], VectorIndex],
        rebuild_index: Callable[[], VectorIndex],
        embedder: Callable[[], Embedder | None],
        fingerprint: Callable[[], str | None],
        lexical: LexicalConfig,
        clock: Callable[[], datetime],
        claim: Callable[[], None],
    ) -> None:
        self.lexical = lexical
        self.clock = clock
        self._index = index
        self._embedder = embedder
        self._fingerprint = fingerprint
        self._made_analyzer: Analyzer | None = None
        self._indexer = EpisodeIndexer(
            database,
            index=index,
            rebuild_index=rebuild_index,
            embedder=embedder,
            fingerprint=fingerprint,
            lexical=lexical,
        )
        self._writer = EpisodeWriter(database, indexer=self._indexer, analyzer=lambda: self.analyzer, now=self._now)
        changes = EpisodeChanges(database, indexer=self._indexer, now=self._now)
        super().__init__(database, changes, claim=claim)
        self._finder = EpisodeFinder(database, index=index, now=self._now)

    @property
    def analyzer(self) -> Analyzer:
        """Turns texts and queries into terms."""
        if self._made_analyzer is None:
            self._made_analyzer = Analyzer(self.lexical)
        return self._made_analyzer

    @property
    def embedder(self) -> Embedder | None:
        """The embedder of this memory; None when it is searched by words only."""
        return self._embedder()

    @property
    def index(self) -> VectorIndex:
        """The vector index, opened on first use."""
        return self._index()

    def _now(self) -> int:
        return microseconds(self.clock())

    # -- recording ---------------------------------------------------------------------------------------------------

    def record(
        self,
        text: str,
        *,
        scope: Scope,
        actor: str,
        kind: EpisodeKind = "event",
        occurred_at: datetime | None = None,
        subject: str = "",
        outcome: str = "",
        importance: float = 0.5,
        entities: Sequence[str] = (),
        derived_from: Sequence[str] = (),
        recalled_from: Sequence[str] = (),
        trust: Trust = "user",
        pinned: bool = False,
        expires_at: datetime | None = None,
        metadata: Metadata | None = None,
        embed: bool = True,
    ) -> RecordResult:
        """Record one thing; acknowledged when it returns. Recording the very same thing again changes nothing.

        Args:
            text: What happened or was said, kept as it is.
            scope: Whose record it is.
            actor: Who said or did it.
            kind: ``fact`` and ``summary`` are merged with records that say the same; the others never are.
            occurred_at: When it happened, with a time zone; None: unknown, and said to be.
            subject: What a fact is about, such as ``"ada/home city"``: the fact that happened last is current.
            outcome: How it ended, such as ``"resolved"``.
            importance: 0 to 1.
            entities: Names to find it by; case does not matter.
            derived_from: Ids of the records it was made from. It gets the least trust among them and its own, and is
                flagged when one of them is superseded or retracted.
            recalled_from: Ids of the records that were recalled when it was written. If it only repeats them, nothing
                is added; else they count as its sources.
            trust: How far it may be believed.
            pinned: Never expires by retention.
            expires_at: From then on it is not found.
            metadata: Strings, numbers, booleans and lists of them.
            embed: False leaves the dense vector to ``embed_missing``.

        Raises:
            InputError: A value is out of its range, a time has no zone, or a source is not recorded.
            MemoryLockedError: Another process holds the memory.

        Example:
            >>> memory.episodic.record(
            ...     "Ada moved to Oslo", scope=Scope(user="ada"), actor="ada", kind="fact", subject="home city"
            ... )  # doctest: +SKIP
        """
        self._claim()
        draft = Draft(
            text=text,
            kind=kind,
            actor=actor,
            occurred_at=occurred_at,
            subject=subject,
            outcome=outcome,
            importance=importance,
            trust=trust,
            entities=entities,
            metadata=metadata or {},
            expires_at=expires_at,
            pinned=pinned,
        )
        recalled = self._get(recalled_from, on_line_of(scope))
        if recalled and repeats(text, [episode.text for episode in recalled]):
            source = next((one for one in recalled if repeats(text, [one.text])), recalled[0])
            return RecordResult(id=source.id, status="recalled", state=source.state, duplicate_of=source.id)
        report = self._writer.insert(scope, [draft], sources=(*derived_from, *recalled_from), embed=embed)
        return report.result() or self._known(report.stored[0].id, scope)

    def _known(self, episode_id: str, scope: Scope) -> RecordResult:
        state = self.get([episode_id], scope=scope)[0].state
        return RecordResult(id=episode_id, status="known", state=state, duplicate_of=episode_id)

    def record_turns(
        self, turns: Sequence[Turn], *, scope: Scope, conversation: str, first: int = 0, embed: bool = True
    ) -> list[str]:
        """Record a conversation, or more of it, at once: all turns or none.

        Args:
            turns: In order.
            scope: Whose conversation it is.
            conversation: Its name; turns of one name in one scope are neighbours.
            first: Position of the first of these turns. A caller who always gives the whole conversation leaves it at
                0: turns that are there already are recognised, and only the new ones are added.
            embed: False leaves dense vectors to ``embed_missing``, for large loads.

        Returns:
            The ids of the turns, in order.

        Raises:
            InputError: A position of the conversation holds another turn already; nothing was recorded.
        """
        self._claim()
        drafts = drafts_of(turns, conversation=conversation, first=first)
        if not drafts:
            return []
        few = len(drafts) <= WINDOW
        report = self._writer.insert(scope, drafts, embed=embed and few)
        if embed and not few:
            self._indexer.embed_missing()
        return [stored.id for stored in report.stored]

    # -- keeping it in order ------------------------------------------------------------------------------------------

    def expire(self, scope: Scope | AnyScope, retention: Retention | None = None, *, actor: str = "") -> list[str]:
        """Let go of records whose time has come, and of those that a policy does not keep; pinned ones stay.

        Expired records take no slot, are still in ``as_of`` and in ``history``, and their expiry can be undone.

        Args:
            scope: A ``Scope``: its own records, not those of its ancestors. ``Scope.any``: each scope it covers.
            retention: The policy; None: only ``expires_at`` counts.
            actor: For the history.

        Returns:
            Ids of the records that expired now.
        """
        self._claim()
        with self._database.read() as connection:
            found = due(connection, own_scopes(connection, scope), retention or Retention(), self._now())
        for reason in sorted({reason for _, _, reason in found}):
            self._changes.expire([row for row, _, why in found if why == reason], actor=actor, reason=reason)
        return [key for _, key, _ in found]

    def consolidate(
        self,
        scope: Scope,
        *,
        retention: Retention | None = None,
        summarize: Summarize | None = None,
        actor: str = "consolidation",
        embed: bool = True,
    ) -> ConsolidationReport:
        """Put the history of a scope in order. Nothing is invented: without ``summarize`` no text is written.

        Args:
            scope: Its own records, not those of its ancestors.
            retention: What may go; see ``expire``.
            summarize: Writes the summary of a conversation from its turns. The summary is derived from them: it has
                the least trust among them, and is written again once turns are added, superseded or retracted.
            actor: Of the summaries and expiries.
            embed: False leaves the vectors of summaries to ``embed_missing``.
        """
        self._claim()
        expired = self.expire(scope, retention, actor=actor)
        settled = self._changes.settle(scope)
        made = summarize_conversations(self, scope, summarize, actor=actor, embed=embed) if summarize else ()
        with self._database.read() as connection:
            waiting = len(open_reviews(connection, own_scopes(connection, scope)))
        return ConsolidationReport(settled=settled, expired=tuple(expired), summaries=made, reviews=waiting)

    def audit(self, scope: Scope | AnyScope) -> list[AuditFinding]:
        """What may be wrong with the records of a scope; nothing is changed."""
        with self._database.read() as connection:
            return audit(connection, own_scopes(connection, scope), self._now())

    # -- reading -----------------------------------------------------------------------------------------------------

    def get(self, ids: Sequence[str], *, scope: Scope | AnyScope) -> list[Episode]:
        """Records by id, in order, whatever became of them.

        Raises:
            InputError: One of them is not recorded, or the scope does not see it: the error is the same.
        """
        return self._get(ids, seen_by(scope))

    def _get(self, ids: Sequence[str], whose: ColumnElement[bool]) -> list[Episode]:
        with self._database.read() as connection:
            rows = rows_of(connection, ids, whose)
            found = load(connection, list(rows.values()))
        return [found[rows[key]].episode for key in ids]

    def timeline(
        self,
        scope: Scope | AnyScope,
        *,
        kinds: Sequence[EpisodeKind] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        undated: bool = True,
        entities: Sequence[str] = (),
        as_of: datetime | None = None,
        include_superseded: bool = False,
        limit: int | None = None,
    ) -> list[Episode]:
        """Records in the order in which they happened; those of unknown event time come last.

        Args:
            scope: Who reads.
            kinds: Only these; empty: all.
            since: Happened then or later.
            until: Happened then or earlier.
            undated: With ``since`` or ``until``: also records whose event time is unknown.
            entities: Only records that name all of these.
            as_of: What was believed at this time, of what was recorded by then.
            include_superseded: Also records that were superseded.
            limit: The last so many of those with a known time, and then of those without.
        """
        selection = self.select(
            scope,
            kinds=kinds,
            since=since,
            until=until,
            undated=undated,
            entities=entities,
            as_of=as_of,
            include_superseded=include_superseded,
        )
        if selection.empty:
            return []
        with self._database.read() as connection:
            rows = self._finder.rows(connection, selection, kinds, entities)
            rows = rows if limit is None else rows[max(0, len(rows) - limit) :]
            found = load(connection, rows)
        return [found[row].episode for row in rows]

    # -- what a retriever asks ---------------------------------------------------------------------------------------

    def select(
        self,
        scope: Scope | AnyScope,
        *,
        kinds: Sequence[EpisodeKind] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        undated: bool = False,
        entities: Sequence[str] = (),
        as_of: datetime | None = None,
        include_superseded: bool = False,
    ) -> EpisodeSelection:
        """Resolve which records a search may see: those of the scope that are live, unless said otherwise.

        Parameters are those of ``timeline``; bounds are inclusive. Each search takes a new selection.
        """
        return self._finder.select(
            scope,
            kinds=kinds,
            since=since,
            until=until,
            undated=undated,
            entities=entities,
            as_of=as_of,
            include_superseded=include_superseded,
        )

    def lexical_candidates(
        self, terms: Mapping[str, float], selection: EpisodeSelection, *, limit: int
    ) -> EpisodeCandidates:
        """The best records by BM25, equal scores by id.

        ``terms`` says how often each analysed term occurs in the query; as many as ``limit`` when that many share one.
        """
        return self._finder.lexical(terms, selection, limit)

    def dense_candidates(
        self, vector: NDArray[np.float32], selection: EpisodeSelection, *, limit: int
    ) -> list[EpisodeCandidate]:
        """The best records by cosine with a query vector, equal scores by id."""
        return self._finder.dense(vector, selection, limit)

    def actors(self, selection: EpisodeSelection) -> list[str]:
        """Who said or did anything in the selected scopes, whatever became of it; up to 256 of each scope."""
        return self._finder.actors(selection)

    def contents(self, rows: Sequence[int]) -> dict[int, tuple[TermCounts, NDArray[np.float32] | None]]:
        """The analysed terms of records, and their dense vectors or None, by row; rows that are gone are left out."""
        with self._database.read() as connection:
            return contents(connection, rows, self._fingerprint())

    def around(self, rows: Sequence[int], selection: EpisodeSelection, *, reach: int = 1) -> dict[int, list[int]]:
        """For each row, those of its conversation that are at most ``reach`` away and allowed, whatever their kind."""
        return self._finder.around(rows, selection, reach)

    def load(self, rows: Sequence[int]) -> dict[int, StoredEpisode]:
        """Records by row, with their terms; rows that are gone are left out. Rows are those of candidates."""
        with self._database.read() as connection:
            return load(connection, rows)

    def neighbours(self, episode_id: str, *, scope: Scope | AnyScope, before: int = 1, after: int = 1) -> list[Episode]:
        """The turns around one in its conversation, in order, itself included; outside of one, itself alone.

        A conversation is of one scope: who sees the one turn sees its neighbours.

        Raises:
            InputError: The scope sees no such record.
        """
        with self._database.read() as connection:
            row = rows_of(connection, [episode_id], seen_by(scope))[episode_id]
            rows = neighbours(connection, row, before=before, after=after)
            found = load(connection, rows)
        return [found[row].episode for row in rows]

    def coverage(self, selection: EpisodeSelection) -> tuple[int, int]:
        """How many records of the selected scopes have a dense vector, and how many there are, whatever their state."""
        return self._finder.coverage(selection)

    # -- upkeep ------------------------------------------------------------------------------------------------------

    def missing_vectors(self) -> int:
        """Records that still lack a dense vector."""
        query = select(func.count()).select_from(episodes).where(episodes.c.embedded.is_(False))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def embed_missing(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Give every record its dense vector; resumes where an earlier run stopped. Returns the texts embedded."""
        self._claim()
        return self._indexer.embed_missing(progress=progress)

    def reindex(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Rebuild the vector index from the database without embedding anything; returns the points written."""
        self._claim()
        return self._indexer.reindex(progress=progress)

    def sync(self, rows: Iterable[int]) -> None:
        """Write the points of rows that changed or went, as far as they are still queued for it."""
        self._indexer.sync(rows)

    def recover(self) -> None:
        """Finish what a writer that died left half-done. Runs by itself when the memory is claimed."""
        self._indexer.recover()
