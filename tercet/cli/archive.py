"""``tercet backup | restore``: a memory in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.options import DEFAULT_MEMORY, AsJson, MemoryFolder
from tercet.cli.output import print_json, progress_shown


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; it must not exist yet.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Write a memory to one file, consistent even while another process ingests.

    \b
    Examples:
      tercet backup tercet-2025-01-31.backup
      tercet backup /backups/support.tercet --memory support-memory
    """
    from tercet.memory.backup import backup as run

    with progress_shown(quiet=as_json) as progress:
        run(memory, target, progress=progress)
    size = target.stat().st_size
    if as_json:
        print_json({"file": str(target), "bytes": size})
    else:
        typer.echo(f"{memory} backed up to {target} ({size / 1e6:,.1f} MB)")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `tercet backup` wrote.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Make a memory from a backup, in a folder that is empty or does not exist. Embeds nothing.

    \b
    Examples:
      tercet restore tercet-2025-01-31.backup --memory restored
    """
    from tercet.memory.backup import restore as run

    with progress_shown(quiet=as_json) as progress:
        run(source, memory, progress=progress)
    if as_json:
        print_json({"memory": str(memory)})
    else:
        typer.echo(f"{source} restored to {memory}; see `tercet status --memory {memory}`")
