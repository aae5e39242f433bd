"""Reading an export into a memory: checked as a whole first, then written in one transaction, then indexed.

A kill before the commit leaves the memory as it was. After it, the records are there, and the next process that claims
the memory writes the points that are missing. Importing the same file again changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from tercet.errors import ImportRefusedError, InputError, SourceError
from tercet.memory.episodes.importing import EpisodeImport, id_of
from tercet.memory.exchange import EpisodeLine, Owned, ReviewLine, VectorLine, header_of, records, verify
from tercet.memory.schema import embeddings, scopes
from tercet.memory.scopes import scope_id
from tercet.memory.working.importing import WorkingImport
from tercet.records import AnyScope, Progress, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.memory.exchange import Record
    from tercet.models.lexical import Analyzer

    Report = Callable[[Progress], None]

WINDOW = 1_000
"""Episodes written at a time."""
NAMED = 100
"""Conflicts that an error names at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What one import did."""

    working_documents: int
    """That are new, or have new versions."""
    episodes: int
    """That are new."""
    known: int
    """Working documents and episodes that were there already."""
    vectors: int
    """Taken from the file. None is taken that another model made."""
    embedded: int = 0
    """Texts embedded afterwards."""


class Importer:
    """Reads one export into a database."""

    def __init__(
        self, database: Database, *, analyzer: Analyzer, fingerprint: str | None, dimension: int | None
    ) -> None:
        self._database = database
        self._dimension = dimension
        self._analyzer = analyzer
        self._fingerprint = fingerprint
        self._conflicts: list[str] = []
        self.touched: set[int] = set()
        """Rows whose points have to be written."""

    def run(self, stream: IO[bytes], *, scope: Scope | AnyScope, progress: Report | None) -> ImportReport:
        """Check a file that can be read several times, and write what it holds."""
        owners = self._check(stream, scope)
        header = header_of(stream)
        total = header.counts.get("episode", 0)
        with self._database.write() as connection:
            places = self._lock(connection, owners)
            working = WorkingImport(self._database, connection, places, self._conflict)
            history = EpisodeImport(self._database, connection, places, self._conflict, self._analyzer)
            vectors, done = 0, 0
            for lines in _windows(records(stream)):
                history.add(own := [line for line in lines if isinstance(line, EpisodeLine)])
                for line in lines:
                    if not isinstance(line, EpisodeLine | ReviewLine | VectorLine):
                        working.add(line)
                done += len(own)
                if progress is not None and own:
                    progress(Progress(phase="import", done=done, total=total))
            self._refuse_conflicts()
            for lines in _windows(records(stream)):
                history.add_events([line for line in lines if isinstance(line, EpisodeLine)])
                history.add_reviews([line for line in lines if isinstance(line, ReviewLine)])
                if header.embedder is not None and header.embedder == self._fingerprint:
                    vectors += self._add_vectors(connection, lines)
            self._refuse_conflicts()
            history.settle()
        self.touched = history.touched
        known = working.known + history.known
        return ImportReport(working_documents=working.added, episodes=history.added, known=known, vectors=vectors)

    def _check(self, stream: IO[bytes], scope: Scope | AnyScope) -> set[Scope]:
        """The scopes of all records, after every line was looked at."""
        owners: set[Scope] = set()
        for line in verify(stream):
            if isinstance(line, Owned):
                owners.add(line.scope)
            if isinstance(line, EpisodeLine):
                try:
                    right = id_of(line) == line.id
                except (InputError, OverflowError) as error:
                    raise ImportRefusedError(f"Episode {line.id} cannot be kept: {error}") from None
                if not right:
                    raise ImportRefusedError(
                        f"Episode {line.id} is not what its id says; nothing was imported.", remedy="Export again."
                    )
        for owner in sorted(owners, key=str):
            if not (scope.sees(owner) if isinstance(scope, AnyScope) else scope == owner):
                raise ImportRefusedError(
                    f"The export holds records of {owner}, and {scope} was to be imported; nothing was.",
                    remedy="Export that scope alone, or import with a scope that covers all of them.",
                )
        return owners

    def _lock(self, connection: Connection, owners: set[Scope]) -> Mapping[Scope, int]:
        """The rows of the scopes; other writers of them wait."""
        places = {owner: scope_id(self._database, connection, owner) for owner in sorted(owners, key=str)}
        if self._database.dialect == "postgresql" and places:
            ids = sorted(places.values())
            connection.execute(
                select(scopes.c.id).where(scopes.c.id.in_(ids)).order_by(scopes.c.id).with_for_update()
            ).all()
        return places

    def _add_vectors(self, connection: Connection, lines: list[Record]) -> int:
        try:
            rows = [
                {
                    "fingerprint": self._fingerprint,
                    "embed_key": bytes.fromhex(line.key),
                    "vector": base64.b64decode(line.vector, validate=True),
                }
                for line in lines
                if isinstance(line, VectorLine)
            ]
        except (binascii.Error, ValueError):
            raise ImportRefusedError("A vector of the export is no base64; nothing was imported.") from None
        for row in rows:
            numbers = row["vector"]
            assert isinstance(numbers, bytes)
            if len(numbers) != 4 * (self._dimension or 0) or not np.isfinite(np.frombuffer(numbers, "<f4")).all():
                raise ImportRefusedError(
                    f"A vector of the export is no vector of {self._dimension} numbers; nothing was imported.",
                    remedy="Export again without vectors; they are made again.",
                )
        if rows:
            connection.execute(self._database.upsert(embeddings, conflict=("fingerprint", "embed_key")), rows)
        return len(rows)

    def _conflict(self, what: str) -> None:
        if len(self._conflicts) < NAMED:
            self._conflicts.append(what)

    def _refuse_conflicts(self) -> None:
        if not self._conflicts:
            return
        shown = "; ".join(self._conflicts[:3])
        more = f" and {len(self._conflicts) - 3} more" if len(self._conflicts) > 3 else ""
        raise ImportRefusedError(
            f"The memory has other records than the export: {shown}{more}. Nothing was imported.",
            conflicts=tuple(self._conflicts),
            remedy="Import into another memory, or forget the records named here first.",
        )


def _windows(lines: Iterator[Record]) -> Iterator[list[Record]]:
    while some := list(islice(lines, WINDOW)):
        yield some


@contextmanager
def readable(source: str | Path | IO[bytes]) -> Iterator[IO[bytes]]:
    """A file that can be read more than once; a stream is copied to a temporary one.

    Raises:
        SourceError: There is no such file.
    """
    if not isinstance(source, str | Path):
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(source, copy)
            yield copy
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise SourceError(f"{source} cannot be read: {error.strerror}.", remedy="Name an export.") from None
    with file:
        yield file
