"""``tercet memory``: the records of people in a memory, looked at and handed over."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.ingest import When
from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder, QdrantUrl, open_memory
from tercet.cli.output import counted, note, print_json, printable, progress_shown, waiting
from tercet.cli.people import (
    audit_document,
    document_document,
    episode_document,
    history_document,
    print_documents,
    print_episode,
    print_scopes,
    print_timeline,
)
from tercet.cli.scopes import UNSAID, Whose, with_scope
from tercet.errors import InputError
from tercet.memory.episodes.records import KINDS
from tercet.records import AnyScope, Scope

if TYPE_CHECKING:
    from tercet.memory.episodes.records import EpisodeKind
    from tercet.memory.memory import Memory

memory_app = typer.Typer(
    help="Look at what is remembered of people and tasks; hand it over. `tercet forget` removes it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@memory_app.command("list")
@with_scope
def list_(
    memory: MemoryFolder = DEFAULT_MEMORY,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """List scopes with what they hold, and working documents. Works beside a running process.

    A scope sees its own records and those of its ancestors.

    \b
    Examples:
      tercet memory list --any
      tercet memory list --tenant acme --user ada
      tercet memory list --tenant acme --any --json
    """
    from tercet.memory.health import people

    scope = whose.scope
    with _reading(memory, database, qdrant) as opened:
        found = people(opened, scope)
        documents = opened.working.documents(scope, newest_first=False)
    if as_json:
        print_json({"scopes": [asdict(one) for one in found], "documents": [*map(document_document, documents)]})
        return
    print_scopes(found)
    print_documents(documents)


@memory_app.command()
@with_scope
def show(
    what: Annotated[str, typer.Argument(metavar="ID|KEY", help="Of an episode, or of a working document.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    version: Annotated[int | None, typer.Option(metavar="N", help="This version of the working document.")] = None,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one record with all that happened to it. An episode is named by its id, a working document by its key.

    \b
    Examples:
      tercet memory show 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any
      tercet memory show plan --tenant acme --session s1
      tercet memory show plan --tenant acme --session s1 --version 3 --json
    """
    scope = whose.scope
    with _reading(memory, database, qdrant) as opened:
        if _is_id(what):
            (episode,) = opened.episodic.get([what], scope=scope)
            entries = opened.episodic.history(what, scope=scope)
            found: dict[str, Any] = {"episode": episode_document(episode), "document": None}
        else:
            owner = _owner(opened, what, scope)
            document = opened.working.read(None, key=what, scope=owner, version=version)
            changes = opened.working.history(key=what, scope=owner)
            found = {"episode": None, "document": {**document_document(document), "value": document.value}}
    if as_json:
        found["history"] = history_document(entries) if found["episode"] else [asdict(one) for one in changes]
        print_json(found)
    elif found["episode"]:
        print_episode(episode, entries)
    else:
        print_documents([document])
        typer.echo(printable(_indented(document.value)))
        for change in changes:
            typer.echo(printable(f"  version {change.version}: {change.actor}, {change.at:%Y-%m-%d %H:%M}"))


@memory_app.command()
@with_scope
def timeline(
    memory: MemoryFolder = DEFAULT_MEMORY,
    kind: Annotated[list[str] | None, typer.Option(metavar="KIND", help=f"One of {', '.join(KINDS)}.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Happened then or later.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Happened then or earlier.")] = None,
    entity: Annotated[list[str] | None, typer.Option(metavar="NAME", help="That names this (repeatable).")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As it was believed then.")] = None,
    superseded: Annotated[bool, typer.Option("--superseded", help="Also what was superseded.")] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The last so many.")] = 50,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell what happened, in order; what has no known time comes last. Works beside a running process.

    A TIME is YYYY-MM-DD or YYYY-MM-DDTHH:MM, of this machine's time zone unless it names one (+02:00).

    \b
    Examples:
      tercet memory timeline --tenant acme --user ada
      tercet memory timeline --any --since 2024-05-01 --kind fact
      tercet memory timeline --tenant acme --user ada --as-of 2024-05-06T12:00+00:00 --json
    """
    if unknown := sorted(set(kind or ()) - set(KINDS)):
        raise InputError(f"--kind {unknown[0]!r} is not a kind of episode.", remedy=f"Use one of: {', '.join(KINDS)}.")
    kinds: list[EpisodeKind] = [one for one in KINDS if one in (kind or ())]
    with _reading(memory, database, qdrant) as opened:
        found = opened.episodic.timeline(
            whose.scope,
            kinds=kinds,
            since=_moment("--since", since),
            until=_moment("--until", until),
            entities=entity or (),
            as_of=_moment("--as-of", as_of),
            include_superseded=superseded,
            limit=limit,
        )
    if as_json:
        print_json({"episodes": [*map(episode_document, found)]})
    else:
        print_timeline(found)


@memory_app.command()
@with_scope
def audit(
    memory: MemoryFolder = DEFAULT_MEMORY,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what may be wrong, and change nothing.

    That is: duplicates, contradictions, what is stale, orphaned or never found.

    Exit code 1 when there is something to look at.

    \b
    Examples:
      tercet memory audit --any
      tercet memory audit --tenant acme --user ada --json
    """
    scope = whose.scope
    with waiting("Looking through the records", quiet=as_json), _reading(memory, database, qdrant) as opened:
        findings = opened.episodic.audit(scope)
        reviews = opened.episodic.reviews(scope)
    if as_json:
        print_json(audit_document(findings, reviews))
    else:
        for one in findings:
            typer.echo(printable(f"{one.kind}: {one.detail} ({', '.join(one.episodes)})"))
        for pair in reviews:
            typer.echo(printable(f"review {pair.id}: {pair.first.text!r} and {pair.second.text!r} may say the same"))
        if not findings and not reviews:
            typer.echo("Nothing to look at.")
    if findings or reviews:
        raise typer.Exit(1)


@memory_app.command()
@with_scope
def export(
    target: Annotated[Path, typer.Argument(metavar="FILE", help='File to write; "-": standard output.')],
    memory: MemoryFolder = DEFAULT_MEMORY,
    vectors: Annotated[bool, typer.Option("--vectors", help="Also the vectors, which an import makes again.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write working documents and episodes as JSON Lines.

    All their history goes along. Works beside a running process.

    Of this very scope, or with --any of every scope that has these fields. The same records give the same bytes.

    \b
    Examples:
      tercet memory export everything.jsonl --any
      tercet memory export ada.jsonl --tenant acme --user ada --any
      tercet memory export - --any | gzip > everything.jsonl.gz
    """
    scope = whose.told("export")
    to_pipe = str(target) == "-"
    if to_pipe and as_json:
        raise InputError("--json and the export cannot both go to standard output.", remedy="Name a file.")
    with _reading(memory, database, qdrant) as opened, progress_shown(quiet=as_json or to_pipe) as progress:
        stream = sys.stdout.buffer if to_pipe else target
        report = opened.export(stream, scope=scope, vectors=vectors, overwrite=overwrite, progress=progress)
    if as_json:
        print_json({"file": str(target), **asdict(report)})
        return
    note(
        f"{counted(report.working_documents, 'working document')} and {counted(report.episodes, 'episode')} of {scope} "
        f"exported{'' if to_pipe else f' to {target}'}"
    )
    if report.sources_left_out:
        note(f"{counted(report.sources_left_out, 'link')} to records of other scopes left out; --any takes them along.")


@memory_app.command("import")
@with_scope
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help='What `export` wrote; "-": standard input.')],
    memory: MemoryFolder = DEFAULT_MEMORY,
    embed: Annotated[When, typer.Option(help="Make dense vectors now, or later by `tercet embed`.")] = When.now,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    embedder: Annotated[
        str | None, typer.Option("--embedder", metavar="SPEC", envvar="TERCET_EMBEDDER", help="Of a new memory.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add the records of an export, all or none. None if the file is damaged, or contradicts the memory.

    What is there already is recognised, so that the same import may be repeated. With --tenant … a file that holds
    anybody else's records is refused; without, everybody's are taken. A memory that is not there is made.

    \b
    Examples:
      tercet memory import everything.jsonl
      tercet memory import ada.jsonl --tenant acme --any
      gunzip -c everything.jsonl.gz | tercet memory import - --memory copy
    """
    scope = whose.scope if whose.said else Scope.any()
    if str(source) != "-" and not source.is_file():
        raise InputError(f"There is no file {str(source)!r}.", remedy="Name what `tercet memory export` wrote.")
    with (
        open_memory(memory, database=database, qdrant=qdrant, embedder=embedder, create=True) as opened,
        progress_shown(quiet=as_json) as progress,
    ):
        stream = sys.stdin.buffer if str(source) == "-" else source
        report = opened.import_(stream, scope=scope, embed=embed is When.now, progress=progress)
    if as_json:
        print_json(asdict(report))
        return
    typer.echo(
        f"{counted(report.working_documents, 'working document')} and {counted(report.episodes, 'episode')} imported, "
        f"{report.known:,} known already"
    )


def _reading(memory: Path, database: str | None, qdrant: str | None) -> Memory:
    return open_memory(memory, database=database, qdrant=qdrant, read_only=True)


def _is_id(text: str) -> bool:
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


def _owner(opened: Memory, key: str, scope: Scope | AnyScope) -> Scope:
    """Where a working document lies that a wider look finds under a key."""
    if isinstance(scope, Scope):
        return scope
    found = [one.scope for one in opened.working.documents(scope, key=key)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"There is no working document {key!r} in {scope}.", remedy="`tercet memory list` names them.")
    raise InputError(
        f"{len(found)} scopes have a working document {key!r}: {'; '.join(map(str, found[:5]))}.",
        remedy="Name one of them, without --any.",
    )


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} {text!r} is not a time.", remedy="Write it as YYYY-MM-DD or YYYY-MM-DDTHH:MM+00:00."
        ) from None


def _indented(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, indent=2)
