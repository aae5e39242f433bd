"""What one erasure has to remove: chosen once, noted in the database as numbers, and so finished after any kill."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import delete, func, select

from tercet.errors import InputError
from tercet.memory.episodes.erasing import choose
from tercet.memory.journal.checks import microseconds
from tercet.memory.journal.erasing import count as count_of_journal
from tercet.memory.journal.erasing import of_scopes
from tercet.memory.mirrors import pages_of
from tercet.memory.points import batches
from tercet.memory.schema import (
    chunks,
    corpora,
    documents,
    episodes,
    meta,
    roots,
    runs,
    versions,
    working_changes,
    working_documents,
    working_requests,
    working_retired,
)
from tercet.memory.schema import files as ledger
from tercet.memory.scopes import own_scopes, visible_scopes
from tercet.records import Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Column, ColumnElement, Connection, Table

    from tercet.memory.database import Database
    from tercet.records import AnyScope

MARK = "forgetting"
"""Key of ``meta`` under which an unfinished erasure is kept."""

Stage = Literal["rows", "index", "file", "log"]
"""What is to be done next: remove rows, make the vector index anew, rewrite the database file, empty its log."""


@dataclass(kw_only=True)
class Erasure:
    """Row ids, counts and how far it has come. No text, so that the note of it needs no erasing."""

    stage: Stage = "rows"
    documents: list[int] = field(default_factory=list)
    corpora: list[int] = field(default_factory=list)
    episodes: list[int] = field(default_factory=list)
    working: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    effects: list[int] = field(default_factory=list)
    approvals: list[int] = field(default_factory=list)
    at: int = 0
    """Microseconds since the epoch, for what stays of the journal."""
    retired: bool = False
    """Whether version numbers of working documents deleted earlier went."""
    removed: dict[str, int] = field(default_factory=dict)
    rebuilt: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.total or self.retired)

    @property
    def total(self) -> int:
        """Rows to remove, for progress."""
        kinds = (self.documents, self.episodes, self.working, self.runs, self.effects, self.approvals)
        return sum(map(len, kinds))

    def save(self, database: Database, connection: Connection | None = None) -> None:
        """Note it, so that it is finished whatever happens to this process."""
        database.set_meta(MARK, asdict(self), connection)


def unfinished(database: Database) -> Erasure | None:
    """The erasure that was begun and did not come to its end."""
    found = database.get_meta(MARK)
    return None if found is None else Erasure(**found)


def strike(database: Database) -> None:
    """Note that the erasure is done."""
    with database.write() as connection:
        connection.execute(delete(meta).where(meta.c.key == MARK))


# -- choosing --------------------------------------------------------------------------------------------------------


def places_of(connection: Connection, scope: Scope | AnyScope) -> list[int]:
    """The scopes that are forgotten in the name of one: itself, or all that it covers."""
    return own_scopes(connection, scope)


def choose_episodes(
    connection: Connection, erasure: Erasure, places: Sequence[int], ids: Collection[str] | None
) -> list[int]:
    """Add episodes, all of the scopes or those with the ids, and what goes with them; returns the derived rows."""
    doomed = choose(connection, places, ids)
    erasure.episodes = doomed.rows
    erasure.removed |= {
        "episodes": len(doomed.named),
        "repetitions": len(doomed.repetitions),
        "derived": len(doomed.derived),
    }
    embedded = (episodes.c.embedded.is_(True),)
    _add(erasure, "vectors", _count(connection, episodes, episodes.c.id, doomed.rows, *embedded))
    return doomed.derived


def choose_working(
    connection: Connection, erasure: Erasure, places: Sequence[int], keys: Collection[str] | None
) -> None:
    """Add working documents, all of the scopes or those under the keys.

    Raises:
        InputError: No document is kept under a key.
    """
    columns = working_documents.c
    found: dict[int, str] = {}
    for some in batches(places):
        query = select(columns.id, columns.key).where(columns.scope_id.in_(some))
        query = query if keys is None else query.where(columns.key.in_(sorted(set(keys))))
        found.update(dict(connection.execute(query).all()))
    if missing := sorted(set(keys or ()) - set(found.values())):
        raise InputError(
            f"There is no working document {missing[0]!r} in this scope; nothing was forgotten.",
            remedy="Name a key of this very scope.",
        )
    erasure.working = sorted(found)
    erasure.removed["working"] = len(found)
    erasure.removed["versions"] = _count(connection, working_changes, working_changes.c.document_id, erasure.working)
    erasure.removed["requests"] = _count(connection, working_requests, working_requests.c.document_id, erasure.working)
    erasure.retired = _retired(connection, places, keys) is not None


def choose_runs(
    connection: Connection,
    erasure: Erasure,
    places: Sequence[int],
    ids: Collection[str] | None,
    before: datetime | None = None,
) -> None:
    """Add what the journal has of the scopes: all of it, or runs with what they did.

    Args:
        connection: A transaction.
        erasure: What is being chosen.
        places: Ids of the scopes.
        ids: Only these runs.
        before: Only runs that did not change since.

    Raises:
        InputError: A run with one of the ids is not in the scopes, or was erased before.
    """
    limit = None if before is None else microseconds(before)
    chosen = of_scopes(connection, places, ids=ids, before=limit)
    erasure.runs, erasure.effects, erasure.approvals = chosen
    erasure.removed |= count_of_journal(connection, chosen)


def _retired(connection: Connection, places: Sequence[int], keys: Collection[str] | None) -> int | None:
    for some in batches(places):
        query = select(working_retired.c.scope_id).where(_retired_of(some, keys)).limit(1)
        if (found := connection.execute(query).scalar_one_or_none()) is not None:
            return int(found)
    return None


def _retired_of(places: Sequence[int], keys: Collection[str] | None) -> ColumnElement[bool]:
    mine = working_retired.c.scope_id.in_(places)
    return mine if keys is None else mine & working_retired.c.key.in_(sorted(set(keys)))


def remove_retired(connection: Connection, places: Sequence[int], keys: Collection[str] | None) -> None:
    """Remove the names and version numbers of working documents that were deleted earlier."""
    for some in batches(places):
        connection.execute(delete(working_retired).where(_retired_of(some, keys)))


def choose_documents(connection: Connection, erasure: Erasure, ids: Sequence[int], memory: Path | None) -> None:
    """Add documents of semantic memory, with their pages."""
    erasure.documents = sorted(ids)
    erasure.corpora = sorted(
        {
            key
            for some in batches(erasure.documents)
            for key in connection.execute(select(documents.c.corpus_id).where(documents.c.id.in_(some))).scalars()
        }
    )
    held = [
        key
        for some in batches(erasure.documents)
        for key in connection.execute(select(versions.c.id).where(versions.c.document_id.in_(some))).scalars()
    ]
    erasure.removed["documents"] = len(ids)
    erasure.removed["chunks"] = _count(connection, chunks, chunks.c.version_id, held)
    _add(erasure, "vectors", _count(connection, chunks, chunks.c.version_id, held, chunks.c.embedded.is_(True)))
    erasure.removed["pages"] = 0 if memory is None else len(pages_of(connection, memory, erasure.documents))


def _add(erasure: Erasure, name: str, count: int) -> None:
    erasure.removed[name] = erasure.removed.get(name, 0) + count


def _count(
    connection: Connection, table: Table, column: Column[Any], keys: Sequence[int], *where: ColumnElement[bool]
) -> int:
    query = select(func.count()).select_from(table).where(*where)
    return sum(int(connection.execute(query.where(column.in_(some))).scalar_one()) for some in batches(keys))


# -- what is near and stays ------------------------------------------------------------------------------------------


def what_stays(connection: Connection, scope: Scope | AnyScope, *, with_documents: bool) -> list[str]:
    """Records that someone who names this scope may take for forgotten, and that are not."""
    said = []
    if isinstance(scope, Scope):
        wider = Scope.any(tenant=scope.tenant, user=scope.user, agent=scope.agent, session=scope.session)
        narrower = sorted(set(visible_scopes(connection, wider)) - set(own_scopes(connection, scope)))
        stay = _count(connection, episodes, episodes.c.scope_id, narrower)
        for table in (working_documents, runs):
            stay += _count(connection, table, table.c.scope_id, narrower)
        if stay:
            said.append(f"{stay:,} records of narrower scopes stay; Scope.any(…) reaches them too")
    if scope.tenant and not with_documents:
        owned = select(func.count()).select_from(documents).join(corpora, corpora.c.id == documents.c.corpus_id)
        stay = int(connection.execute(owned.where(corpora.c.tenant == scope.tenant)).scalar_one())
        if stay:
            said.append(f"{stay:,} documents of tenant {scope.tenant} stay; a document filter reaches them")
    return said


def sources_of(connection: Connection, document_ids: Sequence[int], memory: Path | None) -> list[str]:
    """Files and folders outside of the memory that documents came from."""
    found: set[str] = set()
    query = select(roots.c.path).join(ledger, ledger.c.root_id == roots.c.id).distinct()
    for some in batches(document_ids):
        found.update(connection.execute(query.where(ledger.c.document_id.in_(some))).scalars())
    inside = None if memory is None else memory.resolve()
    return sorted(path for path in found if inside is None or not type(inside)(path).is_relative_to(inside))
