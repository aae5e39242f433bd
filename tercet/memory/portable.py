"""What ``Memory.export`` and ``Memory.import_`` do: records of people from a memory to a file or stream, and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tercet.errors import InputError
from tercet.memory.backup import draft_of
from tercet.memory.exporting import export
from tercet.memory.importing import Importer, readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tercet.memory.exporting import ExportReport
    from tercet.memory.importing import ImportReport
    from tercet.memory.memory import Memory
    from tercet.records import AnyScope, Progress, Scope


def export_records(
    memory: Memory,
    target: str | Path | IO[bytes],
    *,
    scope: Scope | AnyScope,
    vectors: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> ExportReport:
    """Write the records of a scope to a file, which appears whole or not at all, or to a stream; see ``Memory.export``.

    Raises:
        InputError: The file exists.
        DiskFullError: It does not fit.
    """
    stored = memory.database.get_meta("embedder") or {}
    fingerprint = stored.get("fingerprint") if vectors else None
    if not isinstance(target, str | Path):
        return export(memory.database, target, scope=scope, fingerprint=fingerprint, progress=progress)
    path = Path(target)
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already.", remedy="Name a new file, or say that it may be replaced.")
    with draft_of(path) as draft, draft.open("wb") as stream:
        return export(memory.database, stream, scope=scope, fingerprint=fingerprint, progress=progress)


def import_records(
    memory: Memory,
    source: str | Path | IO[bytes],
    *,
    scope: Scope | AnyScope,
    embed: bool = True,
    progress: Callable[[Progress], None] | None = None,
) -> ImportReport:
    """Add the records of an export, then their points and vectors; see ``Memory.import_``.

    Raises:
        ImportRefusedError: The file is damaged, of a newer version, or contradicts the memory.
        SourceError: There is no such file.
        MemoryLockedError: Another process holds the memory.
    """
    with readable(source) as stream:
        memory.claim()
        stored = memory.database.get_meta("embedder") or {}
        importer = Importer(
            memory.database,
            analyzer=memory.episodic.analyzer,
            fingerprint=stored.get("fingerprint"),
            dimension=stored.get("dimension"),
        )
        report = importer.run(stream, scope=scope, progress=progress)
    memory.episodic.sync(importer.touched)
    return replace(report, embedded=memory.episodic.embed_missing(progress=progress)) if embed else report
