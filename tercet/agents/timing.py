"""Where the time of a run went, by its journal."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from tercet.agents.events import ModelAnswered, ModelFailed, ModelRequested, ToolFinished, read
from tercet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tercet.agents.events import Journalled
    from tercet.memory.journal.records import Journal
    from tercet.records import AnyScope, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Where the seconds of one step went: ``model``, ``tools`` and ``gaps`` add up to ``seconds``."""

    step: int
    seconds: float
    """From its first request to that of the next step, or to the end of the run."""
    model: float
    """While the model was asked, failed attempts included."""
    tools: float
    """While at least one tool call was under way: of calls side by side, time counts once."""
    gaps: float
    """All else: waiting for the next attempt or for a person, the journal, the loop itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTime:
    """Where the seconds of a run went: ``before``, the steps and ``gaps`` add up to ``seconds``."""

    seconds: float
    """From its first event to its last."""
    before: float
    """Until the first request: mostly the search in memory."""
    steps: tuple[StepTime, ...]
    gaps: float
    """Of a run that asked no model: all of its time. Else 0."""

    @property
    def p50(self) -> float:
        """Seconds within which half of the steps ended; 0 without steps."""
        return _percentile(sorted(one.seconds for one in self.steps), 0.50)

    @property
    def p95(self) -> float:
        """Seconds within which 95 % of the steps ended."""
        return _percentile(sorted(one.seconds for one in self.steps), 0.95)


def timing(journal: Journal, run: str, *, scope: Scope | AnyScope) -> RunTime:
    """Where the time of a run went.

    Raises:
        InputError: The scope sees no such run, or it was erased.
    """
    if not scope.sees(journal.run(run).scope):
        raise InputError(f"There is no run {run!r} for {scope}.", remedy="`tercet runs list` shows them.")
    return timing_of([read(one) for one in journal.events(run)])


def timing_of(events: Sequence[Journalled]) -> RunTime:
    """Where the time went of the run of these events."""
    if not events:
        return RunTime(seconds=0.0, before=0.0, steps=(), gaps=0.0)
    first = events[0].at.timestamp()
    begins: dict[int, float] = {}
    for one in events:
        if isinstance(one.event, ModelRequested):
            begins.setdefault(one.event.step, one.at.timestamp())
    last = max(one.at.timestamp() for one in events)
    ends = [*list(begins.values())[1:], last]
    steps = tuple(_step(step, begin, end, events) for (step, begin), end in zip(begins.items(), ends, strict=False))
    before = next(iter(begins.values()), first) - first
    return RunTime(seconds=last - first, before=before, steps=steps, gaps=0.0 if begins else last - first - before)


def _step(step: int, begin: float, end: float, events: Sequence[Journalled]) -> StepTime:
    asked, called = [], []
    for one in events:
        match one.event:
            case ModelAnswered(step=its) | ModelFailed(step=its) if its == step:
                asked.append((one.at.timestamp() - one.event.seconds, one.at.timestamp()))
            case ToolFinished(step=its) if its == step:
                called.append((one.at.timestamp() - one.event.seconds, one.at.timestamp()))
            case _:
                pass
    model = _covered(asked, begin, end)
    tools = min(_covered(called, begin, end), end - begin - model)
    return StepTime(step=step, seconds=end - begin, model=model, tools=tools, gaps=end - begin - model - tools)


def _covered(spans: Iterable[tuple[float, float]], begin: float, end: float) -> float:
    """Length of what is covered by at least one of the spans, between begin and end."""
    covered, until = 0.0, begin
    for start, stop in sorted(spans):
        more = min(stop, end) - max(start, until)
        if more > 0:
            covered, until = covered + more, min(stop, end)
    return covered


def _percentile(ordered: Sequence[float], share: float) -> float:
    """By the nearest rank."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0
