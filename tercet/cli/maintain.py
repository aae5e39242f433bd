"""``tercet status | doctor | reindex | forget``: looking after a memory."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.options import (
    DEFAULT_MEMORY,
    AsJson,
    AsOf,
    Corpora,
    DatabaseUrl,
    MemoryFolder,
    Paths,
    QdrantUrl,
    Ranges,
    Tenant,
    Version,
    Where,
    document_filter,
    open_memory,
)
from tercet.cli.output import counted, print_json, printable, progress_shown, waiting
from tercet.errors import InputError
from tercet.records import DocumentFilter

if TYPE_CHECKING:
    from tercet.memory.health import MemoryStatus

LISTED = 20


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
    embedder: Annotated[
        str | None, typer.Option("--embedder", metavar="SPEC", envvar="TERCET_EMBEDDER", help="Look for this model.")
    ] = None,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check the installation and the memory: what is there, which model resolves and from where, what is damaged.

    \b
    Examples:
      tercet doctor
      tercet doctor --repair
      tercet doctor --embedder ./models/my-minilm --json
    """
    from tercet.cli.checks import run_checks

    with waiting("Checking", quiet=as_json):
        checks = run_checks(memory, repair=repair, embedder=embedder, database=database, qdrant=qdrant)
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


def forget(
    memory: MemoryFolder = DEFAULT_MEMORY,
    path: Paths = None,
    corpus: Corpora = None,
    version: Version = None,
    tenant: Tenant = None,
    where: Where = None,
    ranges: Ranges = None,
    as_of: AsOf = None,
    everything: Annotated[bool, typer.Option("--all", help="Forget every document that the command can see.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be forgotten, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove documents for good: their text, their words and their vectors. A later ingest brings them back.

    Only what no tenant owns is seen, unless --tenant names one.

    \b
    Examples:
      tercet forget --path "docs/old/**" --dry-run
      tercet forget --corpus handbook --version 1.0 --yes
      tercet forget --tenant acme --all
    """
    filters = document_filter(
        corpus=corpus, version=version, tenant=tenant, where=where, ranges=ranges, paths=path, as_of=as_of
    )
    if filters == DocumentFilter(tenant=tenant) and not everything:
        raise InputError(
            "forget was not told which documents.", remedy="Name them by --path, --corpus, --where …, or say --all."
        )
    with open_memory(memory, database=database, qdrant=qdrant) as opened:
        doomed: list[dict[str, Any]] = [
            {"uri": document.uri, "corpus": document.corpus, "version": document.version, "tenant": document.tenant}
            for document in opened.semantic.documents(filters)
        ]
        if not as_json:
            _print_doomed(doomed)
        if doomed and not dry_run:
            _confirm(len(doomed), yes=yes)
            opened.semantic.forget(filters)
    if as_json:
        print_json({"forgotten": doomed, "dry_run": dry_run})
    elif doomed and not dry_run:
        typer.echo(f"{counted(len(doomed), 'document')} forgotten")


def _print_doomed(doomed: list[dict[str, Any]]) -> None:
    if not doomed:
        typer.echo("No document matches; nothing to forget.")
    for document in doomed[:LISTED]:
        typer.echo(printable(f"  - {document['uri']} ({document['corpus']})"))
    if len(doomed) > LISTED:
        typer.echo(f"  - … and {len(doomed) - LISTED:,} more")


def _confirm(count: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"Forgetting {counted(count, 'document')} needs a confirmation.", remedy="Add --yes.")
    if not typer.confirm(f"Forget {counted(count, 'document')} for good?", err=True):
        raise InputError("Not confirmed; nothing was forgotten.")
