"""The ledger: which corpora and source folders a memory knows, and how each ingested file last looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, insert, select, update

from tercet.memory.database import corpora, files, roots
from tercet.memory.points import batches
from tercet.memory.rows import write_files
from tercet.memory.stored import FileEntry, FileStamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tercet.memory.database import Database


class Root(NamedTuple):
    """A folder or file that was ingested as a whole; the uris below it begin with its name."""

    id: int
    corpus_id: int
    name: str
    path: str


class Ledger:
    """Corpora, roots and files. Reading needs no claim on the memory; every write takes it."""

    def __init__(self, database: Database, *, claim: Callable[[], None]) -> None:
        self._database = database
        self._claim = claim

    def find_corpus(self, name: str, *, tenant: str = "", version: str = "") -> int | None:
        """The id of a corpus, or None when nothing was ever ingested into it."""
        place = (corpora.c.name == name, corpora.c.tenant == tenant, corpora.c.version == version)
        with self._database.read() as connection:
            return connection.execute(select(corpora.c.id).where(*place)).scalar_one_or_none()

    def corpus(self, name: str, *, tenant: str = "", version: str = "") -> int:
        """The id of a corpus, which is made if there is none."""
        found = self.find_corpus(name, tenant=tenant, version=version)
        if found is not None:
            return found
        self._claim()
        row = {"name": name, "tenant": tenant, "version": version}
        with self._database.write() as connection:
            connection.execute(self._database.upsert(corpora, [row], conflict=("name", "tenant", "version")))
        found = self.find_corpus(name, tenant=tenant, version=version)
        assert found is not None
        return found

    def roots(self, corpus_id: int) -> list[Root]:
        """The roots of a corpus, by name."""
        query = select(roots.c.id, roots.c.corpus_id, roots.c.name, roots.c.path).order_by(roots.c.name)
        with self._database.read() as connection:
            return [Root(*row) for row in connection.execute(query.where(roots.c.corpus_id == corpus_id))]

    def add_root(self, corpus_id: int, *, name: str, path: str) -> Root:
        """Note a new root; its name must be free in the corpus."""
        self._claim()
        with self._database.write() as connection:
            row = {"corpus_id": corpus_id, "name": name, "path": path}
            key = connection.execute(insert(roots).values(row).returning(roots.c.id)).scalar_one()
        return Root(key, corpus_id, name, path)

    def move_root(self, root_id: int, path: str) -> None:
        """Note that a root lies elsewhere now."""
        self._claim()
        with self._database.write() as connection:
            connection.execute(update(roots).where(roots.c.id == root_id).values(path=path))

    def files(self, root_id: int) -> dict[str, FileEntry]:
        """The files of a root as they were last read, by path below it."""
        query = select(
            files.c.path,
            files.c.size,
            files.c.mtime_ns,
            files.c.ctime_ns,
            files.c.inode,
            files.c.seen_ns,
            files.c.content_hash,
            files.c.config_hash,
            files.c.reason,
            files.c.document_id,
        ).where(files.c.root_id == root_id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {
            row[0]: FileEntry(
                root_id=root_id,
                path=row[0],
                stamp=FileStamp(*row[1:5]),
                seen_ns=row[5],
                content_hash=row[6],
                config_hash=row[7],
                reason=row[8],
                document_id=row[9],
            )
            for row in rows
        }

    def record(self, entries: Sequence[FileEntry]) -> None:
        """Write rows as they are: files that failed, and files that were touched but hold the same content."""
        if not entries:
            return
        self._claim()
        with self._database.write() as connection:
            write_files(connection, self._database, entries)

    def remove(self, root_id: int, paths: Sequence[str]) -> None:
        """Forget files that never became a document (failed ones that vanished)."""
        if not paths:
            return
        self._claim()
        with self._database.write() as connection:
            for some in batches(paths):
                connection.execute(delete(files).where(files.c.root_id == root_id, files.c.path.in_(some)))

    def failures(self) -> Mapping[str, str]:
        """Reason by uri of every file whose last ingest failed."""
        query = (
            select(roots.c.name, files.c.path, files.c.reason)
            .join(roots, roots.c.id == files.c.root_id)
            .where(files.c.reason.is_not(None))
            .order_by(roots.c.name, files.c.path)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {f"{name}/{path}" if path else name: str(reason) for name, path, reason in rows}
