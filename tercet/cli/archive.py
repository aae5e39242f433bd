"""``tercet backup | restore``: a memory in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder
from tercet.cli.output import print_json, progress_shown


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; it must not exist yet.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write a memory to one file. It is consistent even while another process ingests.

    \b
    Examples:
      tercet backup tercet-2025-01-31.backup
      tercet backup /backups/support.tercet --memory support-memory
    """
    from tercet.memory.backup import backup as run

    with progress_shown(quiet=as_json) as progress:
        run(database or memory, target, overwrite=overwrite, progress=progress)
    size = target.stat().st_size
    if as_json:
        print_json({"file": str(target), "bytes": size})
    else:
        typer.echo(f"Backed up to {target} ({size / 1e6:,.1f} MB)")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `tercet backup` wrote.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a memory from a backup. The folder or database has to be new, or empty.

    Nothing is embedded: the vectors are in the backup, and the first search rebuilds the index from them.

    \b
    Examples:
      tercet restore tercet-2025-01-31.backup --memory restored
      tercet restore tercet-2025-01-31.backup --database postgresql://localhost/tercet
    """
    from tercet.memory.backup import restore as run

    with progress_shown(quiet=as_json) as progress:
        manifest = run(source, database or memory, progress=progress)
    if as_json:
        print_json({"memory": None if database else str(memory), "created": manifest.created})
    else:
        place = f"--database {database}" if database else f"--memory {memory}"
        typer.echo(f"The backup of {manifest.created} is restored; see `tercet status {place}`")
