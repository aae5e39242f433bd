"""``tercet status | doctor | reindex``: looking after a memory."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder, QdrantUrl, open_memory
from tercet.cli.output import counted, print_json, printable, progress_shown, waiting

if TYPE_CHECKING:
    from tercet.memory.health import MemoryStatus


def status(
    memory: MemoryFolder = DEFAULT_MEMORY,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what a memory holds. Works while another process ingests or searches.

    \b
    Examples:
      tercet status
      tercet status --memory support-memory --json
    """
    from tercet.memory.health import status as describe

    with open_memory(memory, database=database, qdrant=qdrant, read_only=True) as opened:
        found = describe(opened)
    if as_json:
        print_json(asdict(found))
    else:
        _print_status(found)


def _print_status(found: MemoryStatus) -> None:
    size = f", {found.bytes_on_disk / 1e6:,.1f} MB on disk" if found.bytes_on_disk is not None else ""
    typer.echo(printable(f"{found.place}: format {found.format_version}, embedder {found.embedder}{size}"))
    if not found.corpora:
        typer.echo("Nothing ingested yet: tercet ingest FOLDER")
    for corpus in found.corpora:
        labels = [
            f"version {corpus.version}" if corpus.version else "",
            f"tenant {corpus.tenant}" if corpus.tenant else "",
        ]
        label = ", ".join(part for part in labels if part)
        share = (
            f"{100 * corpus.vectors // corpus.chunks} % with a dense vector" if corpus.chunks else "no dense vectors"
        )
        typer.echo(
            printable(
                f"  {corpus.name}{f' ({label})' if label else ''}: {counted(corpus.documents, 'document')}, "
                f"{counted(corpus.chunks, 'chunk')}, {share}"
            )
        )
        for root in corpus.roots:
            typer.echo(printable(f"      from {root}"))
    if found.working_documents or found.episodes:
        typer.echo(
            f"  {counted(found.working_documents, 'working document')}, {counted(found.episodes, 'episode')} "
            f"({found.episode_vectors:,} with a dense vector): tercet memory list --any"
        )
    if found.runs:
        typer.echo(
            f"  {counted(found.runs, 'run')} of agents, {counted(found.effects, 'effect')} "
            f"({found.effects_in_doubt:,} in doubt), {counted(found.approvals, 'approval')} "
            f"({found.approvals_pending:,} pending)"
        )
    if found.unfinished:
        typer.echo(
            f"{counted(found.unfinished, 'document')} being written, or left by a killed run (the next one clears it)"
        )
    for uri, reason in sorted(found.failures.items()):
        typer.echo(printable(f"  failed {uri}: {reason}"))
    if any(corpus.vectors < corpus.chunks for corpus in found.corpora) and found.embedder != "none":
        typer.echo("Dense vectors are missing: `tercet embed` makes them. Searching works meanwhile.")


def doctor(
    memory: MemoryFolder = DEFAULT_MEMORY,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild the vector index if it disagrees with the database.")
    ] = False,
    runs: Annotated[
        bool, typer.Option("--runs", help="Also verify the hash chain of every run in the journal.")
    ] = False,
    embedder: Annotated[
        str | None, typer.Option("--embedder", metavar="SPEC", envvar="TERCET_EMBEDDER", help="Look for this model.")
    ] = None,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check the installation and the memory, and say what is damaged.

    Also what is installed, and which embedding model is found and where.

    \b
    Examples:
      tercet doctor
      tercet doctor --repair
      tercet doctor --runs
      tercet doctor --embedder ./models/my-minilm --json
    """
    from tercet.cli.checks import run_checks

    with waiting("Checking", quiet=as_json):
        checks = run_checks(memory, repair=repair, chains=runs, embedder=embedder, database=database, qdrant=qdrant)
    healthy = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            mark = typer.style("ok", fg="green") if check.ok else typer.style("!!", fg="red", bold=True)
            typer.echo(f"{mark}  {printable(check.name)}: {printable(check.detail)}")
            if check.remedy:
                typer.echo(f"      {printable(check.remedy)}")
    if not healthy:
        raise typer.Exit(1)


def reindex(
    memory: MemoryFolder = DEFAULT_MEMORY,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild the vector index from the database. Embeds nothing; rankings stay the same.

    \b
    Examples:
      tercet reindex
      tercet reindex --memory support-memory --qdrant http://localhost:6333
    """
    with (
        open_memory(memory, database=database, qdrant=qdrant) as opened,
        progress_shown(quiet=as_json) as progress,
    ):
        points = opened.semantic.reindex(progress=progress) + opened.episodic.reindex(progress=progress)
    if as_json:
        print_json({"points": points})
    else:
        typer.echo(f"{counted(points, 'point')} written to a new index")
