"""``Memory.forget``: records removed from every place that holds them, and a receipt that says whether bytes are left.

An erasure goes through four stages, and ``Erasure`` notes in the database which one is next, so that after a kill the
next process that claims the memory, or ``tercet forget --finish``, goes on from there:

1. *rows*: what was chosen goes from the tables, batch by batch, with mirrored pages and the vectors nothing else needs.
   From the first batch on nothing finds it.
2. *index*: the embedded vector index is made anew from the database, because the engine keeps deleted vectors in its
   segments and its log. On a server the points are deleted.
3. *file*: SQLite writes its file anew (``VACUUM``), because removed text is left in the free space of pages.
4. *log*: the write-ahead log is emptied. A reader that is at work in another process keeps it: the erasure is pending.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from tercet.errors import InputError
from tercet.memory import compaction, erasure
from tercet.memory.backup import known_backups
from tercet.memory.compaction import Obstacle
from tercet.memory.episodes import erasing
from tercet.memory.episodes.reading import load
from tercet.memory.health import bytes_on_disk
from tercet.memory.journal import erasing as journal_erasing
from tercet.memory.journal.checks import microseconds
from tercet.memory.mirrors import pages_of, remove_pages
from tercet.memory.points import BATCH, batches
from tercet.memory.schema import episodes, schema
from tercet.memory.scopes import remove_unused_scopes
from tercet.memory.working import rows as working_rows
from tercet.records import ErasureReceipt, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from tercet.memory.episodes.consolidating import Summarize
    from tercet.memory.episodes.records import Episode
    from tercet.memory.erasure import Erasure
    from tercet.memory.memory import Memory
    from tercet.records import AnyScope, DocumentFilter, Scope

    Report = Callable[[Progress], None]

POSTGRESQL = Obstacle(
    "PostgreSQL may keep removed rows in the free space of its pages, in its write-ahead log and in archives of it",
    "Have its operator run VACUUM FULL and let the log be recycled",
)
QDRANT = Obstacle(
    "the Qdrant server may keep deleted points in its segments until it optimises them, and in its log and snapshots",
    "Run `tercet reindex` with the same options, which makes the collections anew",
)


class Forgetting:
    """Erases from one memory."""

    def __init__(self, memory: Memory, *, embedded_index: bool) -> None:
        self._memory = memory
        self._database = memory.database
        self._embedded_index = embedded_index

    def forget(
        self,
        *,
        scope: Scope | AnyScope | None,
        episodes: Sequence[str],
        working: Sequence[str],
        runs: Sequence[str],
        runs_before: datetime | None,
        documents: DocumentFilter | None,
        summarize: Summarize | None,
        dry_run: bool,
        progress: Report | None,
    ) -> ErasureReceipt:
        """See ``Memory.forget``."""
        started = time.monotonic()
        if scope is None and documents is None:
            raise InputError("forget was not told what.", remedy="Give scope=, or documents=, or both.")
        some = bool(episodes or working or runs or runs_before)
        if scope is None and some:
            raise InputError(
                "Records were named without their scope; nothing was forgotten.",
                remedy="Give scope=, the record's own, or Scope.any() for any.",
            )
        self._memory.claim()
        with self._database.exclusive("forgetting", wait=True):
            if not dry_run:
                self._resume(progress)  # what an earlier one left; its counts are its own
            before = self._bytes()
            plan, receipt, places = self._plan(scope, episodes, working, documents, runs=runs, runs_before=runs_before)
            if dry_run:
                return replace(receipt, seconds=time.monotonic() - started, bytes_before=before, bytes_after=before)
            if plan.empty:
                receipt = self._concluded(receipt, plan, None)
            else:
                summaries = self._summaries(plan) if summarize else []
                with self._database.write() as connection:
                    plan.save(self._database, connection)
                    if places:
                        erasure.remove_retired(connection, places, working if some else None)
                self._remove_rows(plan, progress)
                notes = self._rebuild(plan, summaries, summarize) if summarize else []
                obstacle = self._go_on(plan, progress)
                receipt = self._concluded(replace(receipt, notes=(*receipt.notes, *notes)), plan, obstacle)
        return replace(receipt, seconds=time.monotonic() - started, bytes_before=before, bytes_after=self._bytes())

    def finish(self, progress: Report | None = None) -> ErasureReceipt | None:
        """Go on with an erasure that did not come to its end; None: there is none."""
        started, before = time.monotonic(), self._bytes()
        with self._database.exclusive("forgetting", wait=True):
            receipt = self._resume(progress)
        if receipt is None:
            return None
        return replace(receipt, seconds=time.monotonic() - started, bytes_before=before, bytes_after=self._bytes())

    def recover(self) -> ErasureReceipt | None:
        """The same for a memory that is being claimed, unless a living process is at it."""
        with self._database.exclusive("forgetting") as free:
            return self._resume(None) if free else None

    def _resume(self, progress: Report | None) -> ErasureReceipt | None:
        plan = erasure.unfinished(self._database)
        if plan is None:
            return None
        self._remove_rows(plan, progress)
        obstacle = self._go_on(plan, progress)
        backups = [_backup(*one) for one in known_backups(self._database)]
        return self._concluded(ErasureReceipt(status="planned", out_of_reach=tuple(backups)), plan, obstacle)

    # -- choosing ----------------------------------------------------------------------------------------------------

    def _plan(
        self,
        scope: Scope | AnyScope | None,
        ids: Sequence[str],
        working: Sequence[str],
        documents: DocumentFilter | None,
        *,
        runs: Sequence[str],
        runs_before: datetime | None,
    ) -> tuple[Erasure, ErasureReceipt, list[int]]:
        plan = erasure.Erasure(at=microseconds(self._memory.clock()))
        notes, derived, places = list[str](), list[str](), list[int]()
        chosen = []
        if documents is not None:  # with a tenant the filter sees shared documents too, which are not the tenant's
            owner = documents.tenant or ""
            chosen = [one.id for one in self._memory.semantic.documents(documents) if one.tenant == owner]
        with self._database.read() as connection:
            if scope is not None:
                every = not (ids or working or runs or runs_before)
                places = erasure.places_of(connection, scope)
                if every or ids:
                    rows = erasure.choose_episodes(connection, plan, places, None if every else ids)
                    derived = _ids_of(connection, rows)
                if every or working:
                    erasure.choose_working(connection, plan, places, None if every else working)
                if every or runs or runs_before:
                    erasure.choose_runs(connection, plan, places, runs or None, runs_before)
                if every:
                    notes = erasure.what_stays(connection, scope, with_documents=documents is not None)
            if documents is not None:
                erasure.choose_documents(connection, plan, chosen, self._memory.path)
            sources = erasure.sources_of(connection, plan.documents, self._memory.path)
        out_of_reach = [_backup(*one) for one in known_backups(self._database)]
        out_of_reach += [f"source {path}: the next ingest brings back what is still there" for path in sources]
        receipt = ErasureReceipt(
            status="planned",
            removed=dict(plan.removed),
            derived=tuple(derived),
            out_of_reach=tuple(out_of_reach),
            notes=tuple(notes),
        )
        return plan, receipt, places

    def _summaries(self, plan: Erasure) -> list[Episode]:
        """The derived summaries that go, sources first, as they are now."""
        with self._database.read() as connection:
            found = load(connection, plan.episodes)
        return [
            found[row].episode
            for row in sorted(found)
            if found[row].episode.kind == "summary" and found[row].episode.derived_from
        ]

    # -- removing ----------------------------------------------------------------------------------------------------

    def _remove_rows(self, plan: Erasure, progress: Report | None) -> None:
        if plan.stage != "rows":
            return
        done = 0

        def report(more: int) -> None:
            nonlocal done
            done += more
            if progress is not None:
                progress(Progress(phase="forget", done=done, total=max(plan.total, done)))

        for some in batches(plan.working):
            with self._database.write() as connection:
                working_rows.remove(self._database, connection, some, retire=False)
            report(len(some))
        self._remove_episodes(plan, report)
        self._remove_documents(plan, report)
        self._erase_runs(plan, report)
        with self._database.write() as connection:
            names = erasing.remove_unused_names(self._database, connection)
            unused = remove_unused_scopes(connection)
        plan.removed["names"] = plan.removed.get("names", 0) + names
        plan.removed["scopes"] = plan.removed.get("scopes", 0) + unused
        self._memory.semantic.collect_garbage()

    def _remove_episodes(self, plan: Erasure, report: Callable[[int], None]) -> None:
        left, doomed = list(plan.episodes), set(plan.episodes)
        while left:
            some, left = left[-BATCH:], left[:-BATCH]  # what was derived goes before its sources
            with self._database.write() as connection:
                removal = erasing.remove(self._database, connection, some, doomed)
                if removal.derived:
                    doomed.update(removal.derived)
                    left = sorted({*left, *removal.derived})
                    plan.episodes = sorted(doomed)
                    plan.removed["derived"] = plan.removed.get("derived", 0) + len(removal.derived)
                    plan.save(self._database, connection)
            self._memory.episodic.sync(removal.touched)
            report(len(some))

    def _remove_documents(self, plan: Erasure, report: Callable[[int], None]) -> None:
        for some in batches(plan.documents):
            if self._memory.path is not None:
                with self._database.read() as connection:
                    pages = pages_of(connection, self._memory.path, some)
                remove_pages(self._memory.path, pages)  # first: the rows say where they lie
            self._memory.semantic.delete(some)
            report(len(some))
        for corpus_id in plan.corpora:
            self._memory.semantic.finish(corpus_id)

    def _erase_runs(self, plan: Erasure, report: Callable[[int], None]) -> None:
        """Rows of the journal stay, without what they said."""
        for kind, rows in (("runs", plan.runs), ("effects", plan.effects), ("approvals", plan.approvals)):
            for some in batches(rows):
                chosen = journal_erasing.Chosen([], [], [])._replace(**{kind: list(some)})
                with self._database.write() as connection:
                    journal_erasing.erase(connection, chosen, plan.at)
                report(len(some))
        self._memory.journal.drop_texts()

    def _rebuild(self, plan: Erasure, summaries: Sequence[Episode], summarize: Summarize) -> list[str]:
        """Write summaries again from the sources that are left; returns what went wrong, for the receipt."""
        again: dict[str, str] = {}
        failed = []
        with self._database.read() as connection:
            wanted = sorted({source for summary in summaries for source in summary.derived_from})
            query = select(episodes.c.episode_id)
            still = {
                key
                for some in batches(wanted)
                for key in connection.execute(query.where(episodes.c.episode_id.in_(some))).scalars()
            }
        for summary in summaries:
            sources = [again.get(key, key) for key in summary.derived_from if key in still or key in again]
            if not sources:
                continue
            try:
                made = self._summarize_again(summary, sources, summarize)
            except Exception as error:  # a summary that fails must not keep text that has to go
                failed.append(f"a summary was not written again ({error}); it stays removed")
                continue
            if made:
                again[summary.id] = made
        plan.rebuilt = sorted(again.values())
        return failed

    def _summarize_again(self, summary: Episode, sources: Sequence[str], summarize: Summarize) -> str:
        left = self._read(sources)
        text = summarize(left)
        if not text.strip():
            return ""
        name = summary.metadata.get("conversation", "")
        known = [source.occurred_at for source in left if source.occurred_at is not None]
        return self._memory.episodic.record(
            text,
            scope=summary.scope,
            actor=summary.actor,
            kind="summary",
            occurred_at=max(known, default=None),
            importance=summary.importance,
            derived_from=sources,
            trust="system",  # lowered to the least of the sources
            metadata={"conversation": name} if any(source.conversation == name for source in left) else {},
        ).id

    def _read(self, ids: Sequence[str]) -> list[Episode]:
        with self._database.read() as connection:
            query = select(episodes.c.id).where(episodes.c.episode_id.in_(ids))
            found = load(connection, list(connection.execute(query).scalars()))
        by_id = {stored.episode.id: stored.episode for stored in found.values()}
        return [by_id[key] for key in ids if key in by_id]

    # -- making the files anew ---------------------------------------------------------------------------------------

    def _go_on(self, plan: Erasure, progress: Report | None) -> Obstacle | None:
        """The stages after the rows; what is in the way, or None when the erasure is at its end."""
        if plan.stage == "rows":
            plan.stage = "index"
            plan.save(self._database)
        if plan.stage == "index":
            if self._embedded_index and plan.documents:
                self._memory.semantic.reindex(progress=progress)
            if self._embedded_index and plan.episodes:
                self._memory.episodic.reindex(progress=progress)
            plan.stage = "file"
            plan.save(self._database)
        if self._database.dialect == "postgresql":
            compaction.vacuum_tables(self._database, schema.tables)
        else:
            if plan.stage == "file":
                if (obstacle := compaction.rewrite(self._database)) is not None:
                    return obstacle
                plan.stage = "log"
                plan.save(self._database)
            if (obstacle := compaction.empty_log(self._database)) is not None:
                return obstacle
        erasure.strike(self._database)
        return None

    # -- the receipt -------------------------------------------------------------------------------------------------

    def _concluded(self, receipt: ErasureReceipt, plan: Erasure, obstacle: Obstacle | None) -> ErasureReceipt:
        receipt = replace(receipt, removed=dict(plan.removed), rebuilt=tuple(plan.rebuilt))
        if obstacle is not None:
            command = f"tercet forget --finish --memory {shlex.quote(str(self._memory.path))}"
            return replace(receipt, status="pending", reason=obstacle.reason, remedy=f"{obstacle.remedy}: {command}")
        servers = [POSTGRESQL] if self._database.dialect == "postgresql" else []
        servers += [] if self._embedded_index else [QDRANT]
        if not servers or plan.empty:
            return replace(receipt, status="erased")
        return replace(
            receipt,
            status="pending",
            reason="; ".join(one.reason for one in servers),
            remedy="; ".join(one.remedy for one in servers),
        )

    def _bytes(self) -> int | None:
        return None if self._memory.path is None else bytes_on_disk(self._memory.path)


def _ids_of(connection: Connection, rows: Sequence[int]) -> list[str]:
    query = select(episodes.c.episode_id)
    return sorted(
        key for some in batches(rows) for key in connection.execute(query.where(episodes.c.id.in_(some))).scalars()
    )


def _backup(file: str, created: str) -> str:
    return f"backup {file} of {created}"
