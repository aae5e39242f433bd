"""``Memory.export`` and ``Memory.import_``: the records of people in one file that anybody can read, and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tercet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tercet.memory.database import Database
    from tercet.memory.episodic import EpisodicMemory
    from tercet.memory.exporting import ExportReport
    from tercet.memory.importing import ImportReport
    from tercet.records import AnyScope, Progress, Scope


class Portable:
    """The part of ``Memory`` that hands records out and takes them in."""

    database: Database
    episodic: EpisodicMemory

    def claim(self) -> None:
        """Become the one process that uses the folder."""
        raise NotImplementedError

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
        from tercet.memory.backup import draft_of  # noqa: PLC0415  # few processes export
        from tercet.memory.exporting import export  # noqa: PLC0415

        stored = self.database.get_meta("embedder") or {}
        fingerprint = stored.get("fingerprint") if vectors else None
        if not isinstance(target, str | Path):
            return export(self.database, target, scope=scope, fingerprint=fingerprint, progress=progress)
        path = Path(target)
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists already.", remedy="Name a new file, or say that it may be replaced.")
        with draft_of(path) as draft, draft.open("wb") as stream:
            return export(self.database, stream, scope=scope, fingerprint=fingerprint, progress=progress)

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
        from tercet.memory.importing import Importer, readable  # noqa: PLC0415

        with readable(source) as stream:
            self.claim()
            stored = self.database.get_meta("embedder") or {}
            importer = Importer(
                self.database,
                analyzer=self.episodic.analyzer,
                fingerprint=stored.get("fingerprint"),
                dimension=stored.get("dimension"),
            )
            report = importer.run(stream, scope=scope, progress=progress)
        self.episodic.sync(importer.touched)
        return replace(report, embedded=self.episodic.embed_missing(progress=progress)) if embed else report
