"""How the events of a run are told, to people a line each and to machines whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from tercet.cli.journal import apart, minute
from tercet.cli.output import counted
from tercet.cli.untrusted import block, named_lines, parsed, shortened, visible
from tercet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.agents.events import Event
    from tercet.memory.journal.records import EventRecord, Journal, RunRecord
    from tercet.records import Usage

TEXTS = {
    "run_started": ("input", "instructions", "attachment"),
    "context_built": ("context", ""),
    "model_requested": ("instructions", "tools", "message"),
    "model_answered": ("response", ""),
    "tool_requested": ("arguments", ""),
    "tool_finished": ("outcome", ""),
    "output_rejected": ("what the model is told", ""),
    "suspended": ("question or reason", ""),
    "resumed": ("what the person said", ""),
    "run_ended": ("output, reason or question", ""),
}
"""What the texts of an event are; the last name is that of all further ones."""


def event_document(record: EventRecord) -> dict[str, Any]:
    """The JSON form of an event; body and texts are null where they were erased."""
    return {**asdict(record), "body": parsed(record.body)}


def timing_document(records: Sequence[EventRecord]) -> dict[str, Any] | None:
    """The JSON form of where the time of a run went; None where that was erased."""
    from tercet.agents.events import read
    from tercet.agents.timing import timing_of

    try:
        taken = timing_of([read(one) for one in records])
    except (InputError, ValueError, TypeError):
        return None
    return {**asdict(taken), "p50": taken.p50, "p95": taken.p95}


def ending(journal: Journal, run: RunRecord) -> str:
    """How a run ended, or what it waits for; empty while it goes on, and where that was erased."""
    from tercet.agents.events import RunEnded, RunFailed, Suspended

    if not run.events:
        return ""
    match _read(journal.events(run.id, after=run.events - 1)[-1]):
        case RunEnded(end=end):
            return end
        case RunFailed(error=error):
            return error
        case Suspended(why=why):
            return why
        case _:
            return ""


def print_run(run: RunRecord, records: Sequence[EventRecord], end: str, *, whole: bool, only: Sequence[int]) -> None:
    """A run with its events.

    Args:
        run: The run.
        records: Its events.
        end: As ``ending`` says.
        whole: Also the texts of each event, such as whole prompts and completions.
        only: Numbers of the events that are shown, whole; empty: all.
    """
    if not only:
        for line in _head(run, records, end):
            typer.echo(line)
    for record in records:
        if only and record.number not in only:
            continue
        typer.echo(f"{record.number:>4}  +{apart(record.at, run.began_at):<9} {_told(record)}")
        if whole or only:
            for line in _whole(record):
                typer.echo(line)


def _head(run: RunRecord, records: Sequence[EventRecord], end: str) -> list[str]:
    from tercet.agents.events import RunStarted

    events = [event for event in map(_read, records) if event is not None]
    lines = [
        f"Run {visible(run.id)} of {visible(run.agent)}: {run.status}{f', {visible(end)}' if end else ''}",
        f"  on behalf of {visible(str(run.scope))}",
        f"  began {minute(run.began_at)} (UTC), {apart(run.changed_at, run.began_at)} until the last event",
    ]
    if run.erased_at is not None:
        lines.append(f"  what it said was erased {minute(run.erased_at)}")
    related = {"task": run.task, "part of run": run.parent, "replays run": run.replays}
    lines += [f"  {name} {visible(value)}" for name, value in related.items() if value]
    lines += [
        f"  owner {visible(event.owner)}, model {visible(event.model)}, instructions {visible(event.instructions)}, "
        f"policy {visible(event.policy[:12])}"
        for event in events[:1]
        if isinstance(event, RunStarted)
    ]
    spent = _spent(events)
    return [*lines, f"  {spent}", ""] if spent else [*lines, ""]


def _spent(events: Sequence[Event]) -> str:
    from tercet.agents.resuming import consumed_by

    if not events:
        return ""
    spent = consumed_by(events)
    cost = f", cost {spent.cost}" if spent.cost else ""
    return (
        f"{counted(spent.model_calls, 'model call')}, {counted(spent.tool_calls, 'tool call')}, "
        f"{_tokens(spent.usage + spent.failed_usage)}{cost}"
    )


def _tokens(usage: Usage) -> str:
    return f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens"


def _read(record: EventRecord) -> Event | None:
    """The event; None: it was erased, or is none that this version knows."""
    from tercet.agents.events import read

    try:
        return read(record).event
    except (InputError, ValueError, TypeError):  # pydantic's errors are of ValueError
        return None


def _told(record: EventRecord) -> str:
    """An event on one line."""
    if record.body is None:
        return f"{visible(record.kind)}: erased"
    event = _read(record)
    if event is None:
        return f"{visible(record.kind)}: {shortened(record.body)}"
    step = getattr(event, "step", 0)
    return f"{f'step {step}: ' if step else ''}{_sentence(event)}"


def _sentence(event: Event) -> str:
    from tercet.agents import events as kinds

    first = next((text for text in getattr(event, "texts", ()) if text is not None), "")
    match event:
        case kinds.RunStarted():
            told = f"started: {shortened(first)}"
        case kinds.ContextBuilt():
            lacking = f", degraded: {visible(', '.join(event.degraded))}" if event.degraded else ""
            told = f"context of {event.tokens:,} of {event.budget:,} tokens, {counted(event.items, 'item')}{lacking}"
        case kinds.ModelRequested():
            told = f"{visible(event.model)} is asked{f', attempt {event.attempt}' if event.attempt > 1 else ''}"
        case kinds.ModelAnswered():
            told = f"{visible(event.model)} answers after {event.seconds:.1f} s, {_tokens(event.usage)}"
        case kinds.ModelFailed():
            told = f"{visible(event.model)} fails, {visible(event.error)}: {shortened(event.reason)}"
        case kinds.ToolRequested():
            told = f"{visible(event.tool)}({shortened(first, 80)})"
        case kinds.ToolFinished():
            by = f" by {visible(event.decided_by)}" if event.decided_by else ""
            told = f"{visible(event.tool)} {event.outcome}{by} after {event.seconds:.1f} s{_why(first)}"
        case kinds.OutputRejected():
            told = f"output rejected: {shortened(first)}"
        case kinds.Suspended():
            approval = f" {visible(event.approval)}" if event.approval else ""
            told = f"waits for {event.why}{approval}: {shortened(first)}"
        case kinds.Resumed():
            told = f"goes on{f': {shortened(first)}' if first else ''}"
        case kinds.RunEnded():
            told = f"ended, {event.end}: {shortened(first)}"
        case kinds.RunFailed():
            told = f"failed, {visible(event.error)}: {shortened(event.reason)}"
    return told


def _why(outcome: str) -> str:
    value = parsed(outcome)
    reason = value.get("reason") if isinstance(value, dict) else None
    return f": {shortened(str(reason))}" if reason else ""


def _whole(record: EventRecord) -> list[str]:
    indent = " " * 6
    body = parsed(record.body)
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name != "kind" and value not in ("", None, [], {})}
    lines = named_lines(body, indent) if record.body is not None else []
    for place, text in enumerate(record.texts):
        names = TEXTS.get(record.kind, ("text",))
        name = names[place] if place < len(names) - 1 else f"{names[-1]} {place - len(names) + 2}"
        lines.append(f"{indent}{name}:{' erased' if text is None else ''}")
        if text is not None:
            value = parsed(text)
            told = isinstance(value, dict | list)
            lines += named_lines(value, f"{indent}  ") if told else block(text, f"{indent}  ")
    return lines
