"""Says where a run first went another way than it should have, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.agents.conversation import known, read_outcome
from tercet.agents.events import (
    ContextBuilt,
    ModelFailed,
    OutputRejected,
    RunEnded,
    RunFailed,
    Suspended,
    ToolFinished,
    read,
)
from tercet.agents.tools.records import Failed, InDoubt, Pending, Refused
from tercet.errors import InputError

if TYPE_CHECKING:
    from tercet.agents.events import Journalled
    from tercet.memory.journal.records import Journal
    from tercet.records import AnyScope, Scope

_CHOSEN = {"dense"}
"""Retrieval without what was never there is not degraded by a failure: such a memory has no embedder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Something that did not go as it should."""

    number: int
    """Of the event in the journal."""
    step: int
    span: str
    what: str
    """Such as ``"tool failed: timeout"``."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExplanation:
    """What became of a run, and what went wrong in it."""

    run: str
    end: str
    """Such as ``"answer"``, ``"limit"`` or ``"failed: OutputError"``; ``"open"``: it has not ended."""
    deviations: tuple[Deviation, ...]
    """In the order in which they happened; the first is where to look first."""

    @property
    def first(self) -> Deviation | None:
        """The first that went wrong; None: nothing did."""
        return self.deviations[0] if self.deviations else None


def explain(journal: Journal, run: str, *, scope: Scope | AnyScope) -> RunExplanation:
    """Where a run first deviated, and everything after that.

    Raises:
        InputError: The scope sees no such run, or it was erased.
    """
    if not scope.sees(journal.run(run).scope):
        raise InputError(f"There is no run {run!r} for {scope}.", remedy="`tercet runs list` shows them.")
    end, deviations = "open", []
    for journalled in (read(record) for record in journal.events(run)):
        match journalled.event:
            case RunEnded() as event:
                end = event.end
            case RunFailed() as event:
                end = f"failed: {event.error}"
            case _:
                pass
        found = _deviation(journalled)
        if found is not None:
            deviations.append(found)
    return RunExplanation(run=run, end=end, deviations=tuple(deviations))


def _deviation(journalled: Journalled) -> Deviation | None:
    event = journalled.event
    match event:
        case ContextBuilt(degraded=degraded) if set(degraded) - _CHOSEN:
            found = "retrieval degraded", ", ".join(degraded)
        case ModelFailed():
            found = f"model failed: {event.error}", event.reason
        case ToolFinished():
            found = _of_tool(event)
        case OutputRejected():
            found = "output rejected", known(event.texts[0])
        case Suspended(why="escalation"):
            found = "escalated", known(event.texts[0])
        case RunEnded(end="impossible" | "limit"):
            found = f"ended: {event.end}", known(event.texts[0])
        case RunFailed():
            found = f"run failed: {event.error}", event.reason
        case _:
            return None
    if not found[0]:
        return None
    what, reason = found
    return Deviation(
        number=journalled.number, step=getattr(event, "step", 0), span=journalled.span, what=what, reason=reason
    )


def _of_tool(event: ToolFinished) -> tuple[str, str]:
    match read_outcome(known(event.texts[0])):
        case Refused() as refused:
            return f"{event.tool} refused: {refused.step}", refused.reason
        case Failed() as failed:
            return f"{event.tool} failed: {failed.error}", failed.reason
        case InDoubt() as doubt:
            return f"{event.tool} in doubt", doubt.reason
        case Pending() as pending:
            return f"{event.tool} waits for a person", pending.reason
        case _:
            return "", ""
