"""``tercet memory``: the records of people in a memory, looked at, handed over and removed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.forget import confirm, listed, plain, print_planned, print_receipt
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
from tercet.errors import InputError
from tercet.memory.episodes.records import KINDS
from tercet.records import AnyScope, Scope

if TYPE_CHECKING:
    from tercet.memory.episodes.records import EpisodeKind
    from tercet.memory.memory import Memory

memory_app = typer.Typer(
    help="Look at what is remembered of people and tasks, hand it over, and forget it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Tenant = Annotated[str | None, typer.Option("--tenant", metavar="T", help="Of this tenant.")]
User = Annotated[str | None, typer.Option("--user", metavar="U", help="Of this user.")]
Agent = Annotated[str | None, typer.Option("--agent", metavar="A", help="Of this agent.")]
Session = Annotated[str | None, typer.Option("--session", metavar="S", help="Of this session.")]
Wider = Annotated[
    bool, typer.Option("--any", help="Of every scope with these fields, whatever its others are; alone: of everybody.")
]


@memory_app.command("list")
def list_(
    memory: MemoryFolder = DEFAULT_MEMORY,
    tenant: Tenant = None,
    user: User = None,
    agent: Agent = None,
    session: Session = None,
    wider: Wider = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """List scopes with what they hold, and the working documents in them. Works beside a running process.

    A scope sees its own records and those of its ancestors.

    \b
    Examples:
      tercet memory list --any
      tercet memory list --tenant acme --user ada
      tercet memory list --tenant acme --any --json
    """
    from tercet.memory.health import people

    scope = _scope(tenant, user, agent, session, wider=wider)
    with _reading(memory, database, qdrant) as opened:
        found = people(opened, scope)
        documents = opened.working.documents(scope, newest_first=False)
    if as_json:
        print_json({"scopes": [asdict(one) for one in found], "documents": [*map(document_document, documents)]})
        return
    print_scopes(found)
    print_documents(documents)


@memory_app.command()
def show(
    what: Annotated[str, typer.Argument(metavar="ID|KEY", help="Of an episode, or of a working document.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    version: Annotated[int | None, typer.Option(metavar="N", help="This version of the working document.")] = None,
    tenant: Tenant = None,
    user: User = None,
    agent: Agent = None,
    session: Session = None,
    wider: Wider = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one record with all that happened to it: an episode by its id, a working document by its key.

    \b
    Examples:
      tercet memory show 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any
      tercet memory show plan --tenant acme --session s1
      tercet memory show plan --tenant acme --session s1 --version 3 --json
    """
    scope = _scope(tenant, user, agent, session, wider=wider)
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
def timeline(
    memory: MemoryFolder = DEFAULT_MEMORY,
    kind: Annotated[list[str] | None, typer.Option(metavar="KIND", help=f"One of {', '.join(KINDS)}.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Happened then or later.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Happened then or earlier.")] = None,
    entity: Annotated[list[str] | None, typer.Option(metavar="NAME", help="That names this (repeatable).")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As it was believed then.")] = None,
    superseded: Annotated[bool, typer.Option("--superseded", help="Also what was superseded.")] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The last so many.")] = 50,
    tenant: Tenant = None,
    user: User = None,
    agent: Agent = None,
    session: Session = None,
    wider: Wider = False,
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
            _scope(tenant, user, agent, session, wider=wider),
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
def audit(
    memory: MemoryFolder = DEFAULT_MEMORY,
    tenant: Tenant = None,
    user: User = None,
    agent: Agent = None,
    session: Session = None,
    wider: Wider = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what may be wrong: duplicates, contradictions, what is stale, orphaned or never found. Changes nothing.

    Exit code 1 when there is something to look at.

    \b
    Examples:
      tercet memory audit --any
      tercet memory audit --tenant acme --user ada --json
    """
    scope = _scope(tenant, user, agent, session, wider=wider)
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
def forget(
    memory: MemoryFolder = DEFAULT_MEMORY,
    episode: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this episode (repeatable).")] = None,
    working: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Only the working documents under this key (repeatable).")
    ] = None,
    tenant: Tenant = None,
    user: User = None,
    agent: Agent = None,
    session: Session = None,
    wider: Wider = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be forgotten, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove episodes and working documents of a scope for good, as `tercet forget` does, and print its receipt.

    Of this very scope, or with --any of every scope that has these fields. Exit code 1: the erasure is pending, and the
    receipt says why. Files that were exported are not the memory's to change.

    \b
    Examples:
      tercet memory forget --tenant acme --user ada --any --dry-run
      tercet memory forget --tenant acme --session s1 --working plan --yes
    """
    scope = _told(tenant, user, agent, session, wider=wider, command="forget")
    what: dict[str, Any] = {"scope": scope, "episodes": episode or (), "working": working or ()}
    with open_memory(memory, database=database, qdrant=qdrant) as opened:
        receipt = opened.forget(**what, dry_run=True)
        something = any(receipt.removed.values())
        if not as_json:
            print_planned([], receipt)
        if something and not dry_run:
            confirm(listed(receipt.removed), yes=yes)
            with progress_shown(quiet=as_json) as progress:
                receipt = opened.forget(**what, progress=progress)
    if as_json:
        print_json({"dry_run": dry_run, "receipt": plain(receipt)})
    elif something and not dry_run:
        print_receipt(receipt)
    if receipt.status == "pending":
        raise typer.Exit(1)


@memory_app.command()
def export(
    target: Annotated[Path, typer.Argument(metavar="FILE", help='File to write; "-": standard output.')],
    memory: MemoryFolder = DEFAULT_MEMORY,
    vectors: Annotated[bool, typer.Option("--vectors", help="Also the vectors, which an import makes again.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    tenant: Tenant = None,
    user: User = None,
    agent: Agent = None,
    session: Session = None,
    wider: Wider = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write working documents and episodes, with all their history, as JSON Lines. Works beside a running process.

    Of this very scope, or with --any of every scope that has these fields. The same records give the same bytes.

    \b
    Examples:
      tercet memory export everything.jsonl --any
      tercet memory export ada.jsonl --tenant acme --user ada --any
      tercet memory export - --any | gzip > everything.jsonl.gz
    """
    scope = _told(tenant, user, agent, session, wider=wider, command="export")
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
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help='What `export` wrote; "-": standard input.')],
    memory: MemoryFolder = DEFAULT_MEMORY,
    embed: Annotated[When, typer.Option(help="Make dense vectors now, or later by `tercet embed`.")] = When.now,
    tenant: Tenant = None,
    user: User = None,
    agent: Agent = None,
    session: Session = None,
    wider: Wider = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    embedder: Annotated[
        str | None, typer.Option("--embedder", metavar="SPEC", envvar="TERCET_EMBEDDER", help="Of a new memory.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add the records of an export: all or, if the file is damaged or contradicts the memory, none.

    What is there already is recognised, so that the same import may be repeated. With --tenant … a file that holds
    anybody else's records is refused; without, everybody's are taken. A memory that is not there is made.

    \b
    Examples:
      tercet memory import everything.jsonl
      tercet memory import ada.jsonl --tenant acme --any
      gunzip -c everything.jsonl.gz | tercet memory import - --memory copy
    """
    named = any((tenant, user, agent, session))
    scope = _scope(tenant, user, agent, session, wider=wider or not named)
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


def _scope(
    tenant: str | None, user: str | None, agent: str | None, session: str | None, *, wider: bool
) -> Scope | AnyScope:
    make = Scope.any if wider else Scope
    return make(tenant=tenant, user=user, agent=agent, session=session)


def _told(
    tenant: str | None, user: str | None, agent: str | None, session: str | None, *, wider: bool, command: str
) -> Scope | AnyScope:
    """The same, where saying nothing would be a mistake."""
    if not (wider or any((tenant, user, agent, session))):
        raise InputError(
            f"{command} was not told whose records.", remedy="Say --tenant, --user, --agent or --session, or --any."
        )
    return _scope(tenant, user, agent, session, wider=wider)


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
