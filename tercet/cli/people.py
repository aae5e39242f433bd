"""How episodes, working documents and scopes are printed, for people and for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from tercet.cli.output import print_table, printable
from tercet.memory.episodes.records import Doubt, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tercet.memory.episodes.auditing import AuditFinding
    from tercet.memory.episodes.records import Episode, HistoryEntry, Review
    from tercet.memory.health import PeopleStatus
    from tercet.memory.working.records import WorkingDocument


def episode_document(episode: Episode) -> dict[str, Any]:
    """The JSON form of an episode."""
    return {
        **asdict(episode),
        "state": State(episode.state).name.lower(),
        "doubt": Doubt(episode.doubt).name.lower(),
    }


def document_document(document: WorkingDocument[Any]) -> dict[str, Any]:
    """The JSON form of a working document, without its value."""
    return {
        "key": document.key,
        "scope": asdict(document.scope),
        "schema": document.schema,
        "schema_version": document.schema_version,
        "version": document.version,
        "hash": document.hash,
        "owners": dict(document.owners),
        "constraints": list(document.constraints),
        "trust": document.trust,
        "created_by": document.created_by,
        "created_at": document.created_at,
        "updated_by": document.updated_by,
        "updated_at": document.updated_at,
        "expires_at": document.expires_at,
    }


def history_document(entries: Iterable[HistoryEntry]) -> list[dict[str, Any]]:
    """The JSON form of what happened to an episode."""
    return [asdict(one) for one in entries]


def audit_document(findings: Iterable[AuditFinding], reviews: Iterable[Review]) -> dict[str, Any]:
    """The JSON form of an audit."""
    pairs = [{"id": one.id, "episodes": [one.first.id, one.second.id], "similarity": one.similarity} for one in reviews]
    return {"findings": [asdict(one) for one in findings], "reviews": pairs}


def print_scopes(found: Sequence[PeopleStatus]) -> None:
    """A table of scopes and how much they hold."""
    if not found:
        typer.echo("Nothing is remembered here. --any looks more widely.")
        return
    rows = [
        (
            *(getattr(one.scope, name) or "" for name in ("tenant", "user", "agent", "session")),
            one.working,
            one.episodes,
        )
        for one in found
    ]
    print_table(("tenant", "user", "agent", "session", "working", "episodes"), rows)


def print_documents(documents: Sequence[WorkingDocument[Any]]) -> None:
    """A table of working documents."""
    if not documents:
        return
    rows = [
        (one.key, str(one.scope), one.schema, one.version, one.updated_by, f"{one.updated_at:%Y-%m-%d %H:%M}")
        for one in documents
    ]
    print_table(("working document", "of", "schema", "version", "written by", "at (UTC)"), rows)


def print_timeline(found: Sequence[Episode]) -> None:
    """A table of episodes."""
    if not found:
        typer.echo("Nothing is remembered here. --any looks more widely.")
        return
    rows = []
    for one in found:
        when = f"{one.occurred_at:%Y-%m-%d %H:%M}" if one.occurred_at else "unknown"
        state = "" if one.state == State.LIVE else f" [{State(one.state).name.lower()}]"
        rows.append((when, one.kind, one.actor, f"{one.dated_text}{state}", one.id))
    print_table(("happened (UTC)", "kind", "actor", "text", "id"), rows)


def print_episode(episode: Episode, entries: Iterable[HistoryEntry]) -> None:
    """An episode with all that is known of it."""
    typer.echo(printable(episode.dated_text))
    for name, value in episode_document(episode).items():
        if name in {"text", "dates", "scope"} or value in ("", None, [], (), {}, "none", False):
            continue
        typer.echo(printable(f"  {name}: {value if not isinstance(value, tuple) else ', '.join(value)}"))
    typer.echo(printable(f"  scope: {episode.scope}"))
    for entry in entries:
        undone = "" if entry.active else ", undone"
        by = f" by {entry.other}" if entry.other else ""
        why = f": {entry.reason}" if entry.reason else ""
        number = f"{entry.id}. " if entry.id else ""
        typer.echo(printable(f"  {number}{entry.kind}{by}, {entry.at:%Y-%m-%d %H:%M} {entry.actor}{undone}{why}"))
