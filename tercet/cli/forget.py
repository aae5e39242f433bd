"""``tercet forget``: records and documents removed for good, with a receipt."""

from __future__ import annotations

import functools
import sys
from dataclasses import asdict, replace
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
    Version,
    Where,
    document_filter,
    open_memory,
)
from tercet.cli.output import counted, print_json, printable, progress_shown, seconds
from tercet.cli.scopes import UNSAID, Whose, with_scope
from tercet.errors import InputError
from tercet.records import AnyScope, DocumentFilter, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.memory.memory import Memory
    from tercet.records import ErasureReceipt

LISTED = 20
NOUNS = {
    "documents": ("document", ""),
    "chunks": ("chunk", ""),
    "pages": ("mirrored page", ""),
    "episodes": ("episode", ""),
    "repetitions": ("repetition of them", "repetitions of them"),
    "derived": ("record derived from them", "records derived from them"),
    "working": ("working document", ""),
    "versions": ("version of those", "versions of those"),
    "requests": ("change request", ""),
    "vectors": ("vector", ""),
    "runs": ("run of an agent", "runs of agents"),
    "run_events": ("event of those", "events of those"),
    "run_texts": ("text of those", "texts of those"),
    "effects": ("effect", ""),
    "approvals": ("approval", ""),
    "names": ("name that nothing else mentions", "names that nothing else mentions"),
    "scopes": ("scope that is empty now", "scopes that are empty now"),
}


@with_scope
def forget(
    memory: MemoryFolder = DEFAULT_MEMORY,
    whose: Whose = UNSAID,
    episode: Annotated[
        list[str] | None, typer.Option("--episode", metavar="ID", help="Only this episode (repeatable).")
    ] = None,
    working: Annotated[
        list[str] | None,
        typer.Option("--working", metavar="KEY", help="Only the working documents under this key (repeatable)."),
    ] = None,
    path: Paths = None,
    corpus: Corpora = None,
    version: Version = None,
    where: Where = None,
    ranges: Ranges = None,
    as_of: AsOf = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every document of the tenant, else every shared one.")
    ] = False,
    finish: Annotated[bool, typer.Option("--finish", help="Bring a pending erasure to its end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be forgotten, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove documents, episodes and working memory for good. They go to the last byte, and there is a receipt.

    People's records are those of the very scope that is named, or with --any of every scope that has its fields; an
    episode may be named by its id alone. Filters or --all choose documents instead: the tenant's own, or shared ones.

    Text, versions, words, vectors, mirrored pages and what was derived from forgotten episodes go. The vector index and
    the database file are written anew, so it takes as long for one record as for many. Exit code 1: erasure is pending,
    and the receipt says why. A later ingest brings back documents whose files are still there; files that were exported
    are not the memory's to change.

    \b
    Examples:
      tercet forget --tenant acme --user ada --any --dry-run
      tercet forget --tenant acme --session s1 --working plan --yes
      tercet forget --episode 5f0c… --yes
      tercet forget --path "docs/old/**" --dry-run
      tercet forget --corpus handbook --version 1.0 --yes
      tercet forget --tenant acme --any --all
      tercet forget --finish
    """
    documents: DocumentFilter | None = document_filter(
        corpus=corpus, version=version, tenant=whose.tenant, where=where, ranges=ranges, paths=path, as_of=as_of
    )
    if documents == DocumentFilter(tenant=whose.tenant) and not everything:
        documents = None
    if finish:
        if documents or whose.said or episode or working:
            raise InputError("--finish goes with nothing else.", remedy="Run it alone, then forget more.")
        with open_memory(memory, database=database, qdrant=qdrant) as opened:
            _finish(opened, as_json=as_json)
        return
    scope: Scope | AnyScope | None
    if documents is None:
        scope = Scope.any() if episode and not (working or whose.said) else _told(whose)  # an id says whose it is
    else:
        scope = _scope_beside(documents, whose, narrowed=bool(episode or working))
    with open_memory(memory, database=database, qdrant=qdrant) as opened:
        doomed = [] if documents is None else _documents(opened, documents)
        run = functools.partial(
            opened.forget, scope=scope, episodes=episode or (), working=working or (), documents=documents
        )
        planned = run(dry_run=True)
        nothing = not any(planned.removed.values())
        if not as_json:
            print_planned(doomed, planned)
        receipt = planned
        if not nothing and not dry_run:
            confirm(listed(planned.removed), yes=yes)
        if not dry_run:  # also when nothing is found: names of what was deleted earlier may be left
            with progress_shown(quiet=as_json) as progress:
                receipt = run(progress=progress)
    if as_json:
        print_json({"forgotten": doomed, "dry_run": dry_run, "receipt": plain(receipt)})
    elif not dry_run and not nothing:
        print_receipt(receipt)
    if receipt.status == "pending":
        raise typer.Exit(1)


def _told(whose: Whose) -> Scope | AnyScope:
    if not whose.said:
        raise InputError(
            "forget was not told what.",
            remedy="Name documents by --path, --corpus, --where …, or say --all; people's records by --tenant, --user, "
            "--agent or --session, by --any, or by --episode.",
        )
    return whose.scope


def _scope_beside(documents: DocumentFilter, whose: Whose, *, narrowed: bool) -> AnyScope | None:
    """Whose records are to go besides documents: nobody's, or with --any --all also all of the tenant.

    A tenant has documents and records; users, agents and sessions have records only. So a filter of documents must not
    take records along that were not meant, nor the name of a person the documents of a tenant.
    """
    tenant = whose.tenant
    if whose == Whose(tenant=tenant) and not narrowed:
        return None
    if whose == Whose(tenant=tenant, wider=True) and documents == DocumentFilter(tenant=tenant) and not narrowed:
        return Scope.any(tenant=tenant)
    raise InputError(
        "Filters and --all choose documents, which belong to a tenant only; the other options choose people's records.",
        remedy="Forget the one, then the other; or --any --all: all records and documents of a tenant.",
    )


def _documents(opened: Memory, filters: DocumentFilter) -> list[dict[str, Any]]:
    return [
        {"uri": document.uri, "corpus": document.corpus, "version": document.version, "tenant": document.tenant}
        for document in opened.semantic.documents(filters)
        if document.tenant == (filters.tenant or "")
    ]


def _finish(opened: Memory, *, as_json: bool) -> None:
    with progress_shown(quiet=as_json) as progress:
        receipt = opened.finish_forgetting(progress=progress)
    if as_json:
        print_json({"forgotten": [], "dry_run": False, "receipt": None if receipt is None else plain(receipt)})
    elif receipt is None:
        typer.echo("No erasure is pending.")
    else:
        print_receipt(receipt)
    if receipt is not None and receipt.status == "pending":
        raise typer.Exit(1)


def plain(receipt: ErasureReceipt) -> dict[str, Any]:
    """The JSON form of a receipt."""
    return asdict(replace(receipt, removed=dict(receipt.removed)))


def listed(removed: Mapping[str, int]) -> str:
    """Numbers of things, for people."""
    return ", ".join(counted(number, *NOUNS[name]) for name, number in removed.items() if number)


def print_planned(doomed: list[dict[str, Any]], planned: ErasureReceipt) -> None:
    """Say what would go."""
    for document in doomed[:LISTED]:
        typer.echo(printable(f"  - {document['uri']} ({document['corpus']})"))
    if len(doomed) > LISTED:
        typer.echo(f"  - … and {len(doomed) - LISTED:,} more")
    if any(planned.removed.values()):
        typer.echo(f"To forget: {listed(planned.removed)}")
    else:
        typer.echo("Nothing matches; nothing to forget.")
    for said in planned.notes:
        typer.echo(printable(f"Note: {said}"))


def print_receipt(receipt: ErasureReceipt) -> None:
    """Say what went."""
    typer.echo(f"Forgotten: {listed(receipt.removed)}")
    if receipt.rebuilt:
        typer.echo(f"Written again from what is left: {counted(len(receipt.rebuilt), 'summary', 'summaries')}")
    size = ""
    if receipt.bytes_before is not None and receipt.bytes_after is not None:
        size = f", {receipt.bytes_before / 1e6:,.1f} MB on disk before and {receipt.bytes_after / 1e6:,.1f} after"
    if receipt.status == "erased":
        typer.echo(f"Erased: no file of the memory holds it any longer ({seconds(receipt.seconds)}{size})")
    else:
        typer.echo(printable(f"Pending: {receipt.reason}"))
        typer.echo(printable(receipt.remedy))
    for place in receipt.out_of_reach:
        typer.echo(printable(f"Out of reach: {place}"))


def confirm(what: str, *, yes: bool) -> None:
    """Ask whether to go on; raises ``InputError`` where nobody can answer, or says no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"Forgetting {what} needs a confirmation.", remedy="Add --yes.")
    if not typer.confirm(f"Forget {what} for good?", err=True):
        raise InputError("Not confirmed; nothing was forgotten.")
