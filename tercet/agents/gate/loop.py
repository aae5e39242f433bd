"""The step that notices that a task goes round in circles, and hands it to a person."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tercet.agents.gate.attempts import Attempt, result_of, shown
from tercet.agents.gate.untrusted import excerpt
from tercet.agents.tools.records import Failed, InDoubt, Pending, Refused, Succeeded
from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome

_LONGEST_CYCLE = 4
_FAILED = "failed"
_NO_ATTEMPT = ("budget", "rate")

_Turn = tuple[str, int]
_Made = tuple[Attempt, "Outcome"]
"""What was made and what it came to."""


@dataclass(slots=True)
class _Action:
    """A tool with the same arguments, in one spelling."""

    begun: int = 0
    results: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    refused: int = 0
    made: list[_Made] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        """How often it came to the same, what is under way counted as that."""
        return self.under_way + max(self.results.values(), default=0)


class LoopDetector:
    """Of one task, shared by all agents of its tree; safe from several tasks and threads.

    Counts never go back: success in between proves no progress in what fails. A call is refused when it

    - failed or was refused ``attempts`` times, or came to the same result as often, with the same arguments;
    - was made ``repeats`` times with the same arguments, whatever it came to;
    - is of a tool that failed with the same error in ``attempts`` turns, whatever the arguments;
    - is one of two to four that were made in turn ``rounds`` times;
    - follows ``stale`` turns in a row that brought no result that had not been there before.

    Arguments are the same whatever the order of names, white space, case and the spelling of numbers.

    Args:
        attempts: Above.
        repeats: Above.
        rounds: Above.
        stale: Above.

    Raises:
        ConfigurationError: A count is too low to tell a loop from work.
    """

    def __init__(self, *, attempts: int = 3, repeats: int = 6, rounds: int = 3, stale: int = 5) -> None:
        if attempts < 1 or repeats < attempts or rounds < 2 or stale < 2:
            raise ConfigurationError(
                f"Loops cannot be told by {attempts} attempts, {repeats} repeats, {rounds} rounds, {stale} turns.",
                remedy="Give at least 1 attempt, as many repeats as attempts, 2 rounds and 2 stale turns.",
            )
        self._attempts, self._repeats, self._rounds, self._stale = attempts, repeats, rounds, stale
        self._lock = threading.Lock()
        self._actions: dict[str, _Action] = {}
        self._errors: dict[str, dict[str, dict[_Turn, _Made]]] = {}  # by tool, error and turn
        self._order: deque[str] = deque(maxlen=_LONGEST_CYCLE * rounds)
        self._known: set[str] = set()
        self._fresh_turn: _Turn | None = None
        self._stale_turns: dict[_Turn, _Made] = {}

    def begin(self, attempt: Attempt) -> Refused | None:
        """Take note of a call that is about to be made; or say why it must not be."""
        with self._lock:
            action = self._actions.setdefault(attempt.action, _Action())
            refusal = self._loop(attempt, action)
            if refusal is None:
                action.begun += 1
                action.under_way += 1
                self._order.append(attempt.action)
            return refusal

    def end(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """Say what it came to; None, and what waits for a person or its turn: it was not made."""
        with self._lock:
            action = self._actions[attempt.action]
            action.under_way -= 1
            if outcome is None or not _counts(outcome):
                action.begun -= 1
                if attempt.action in self._order:
                    self._order.remove(attempt.action)
                return
            action.made.append((attempt, outcome))
            if isinstance(outcome, Succeeded):
                self._succeeded(attempt, action, outcome)
                return
            action.results[_FAILED] += 1
            if isinstance(outcome, (Failed, InDoubt)):
                turns = self._errors.setdefault(attempt.tool, {}).setdefault(result_of(outcome), {})
                turns.setdefault(attempt.turn, (attempt, outcome))

    def refused(self, attempt: Attempt, refusal: Refused) -> Refused:
        """Take note of a refusal by an earlier step; the one that is one too many ends the run."""
        if refusal.final or not _counts(refusal):
            return refusal
        with self._lock:
            action = self._actions.setdefault(attempt.action, _Action())
            action.refused += 1
            action.made.append((attempt, refusal))
            if action.refused < self._attempts:
                return refusal
            return _refusal(f"The same call was refused {action.refused} times: {refusal.reason}", action.made)

    def _succeeded(self, attempt: Attempt, action: _Action, outcome: Succeeded) -> None:
        result = result_of(outcome)
        action.results[result] += 1
        # A tool that changes something and says "done" as always has changed something else; one that looks has not
        # found anything else.
        news = f"{attempt.action} {result}" if attempt.changes else f"{attempt.tool} {result}"
        if news not in self._known:
            self._known.add(news)
            self._fresh_turn = attempt.turn
            self._stale_turns.clear()
        elif attempt.turn != self._fresh_turn:
            self._stale_turns[attempt.turn] = (attempt, outcome)

    def _loop(self, attempt: Attempt, action: _Action) -> Refused | None:
        if action.unchanged >= self._attempts:
            return _refusal(
                f"The same call was made {action.begun} times, and came to the same {action.unchanged} times.",
                action.made,
            )
        if action.begun >= self._repeats:
            return _refusal(f"The same call was made {action.begun} times.", action.made)
        for turns in self._errors.get(attempt.tool, {}).values():
            if len(turns) >= self._attempts:
                return _refusal(f"{attempt.tool!r} failed with the same error in {len(turns)} turns.", turns.values())
        if period := self._period(attempt.action):
            latest = [self._actions[one].made[-1:] for one in list(self._order)[-period:]]
            return _refusal(
                f"The same {period} calls were made in turn {self._rounds} times.",
                [one for made in latest for one in made],
            )
        if len(self._stale_turns) >= self._stale:
            return _refusal(f"The last {len(self._stale_turns)} turns brought nothing new.", self._stale_turns.values())
        return None

    def _period(self, action: str) -> int:
        """Of how many calls the cycle is that one more call would prolong; 0: there is none."""
        order = list(self._order)
        for period in range(2, _LONGEST_CYCLE + 1):
            tail = order[-period * self._rounds :]
            cycle = tail[:period]
            if tail == cycle * self._rounds and len(set(cycle)) > 1 and action in cycle:
                return period
        return 0


def _counts(outcome: Outcome) -> bool:
    """Whether it was an attempt: waiting for a person, for a turn or for room in a limit is none."""
    if isinstance(outcome, Refused):
        return outcome.step not in _NO_ATTEMPT
    return not isinstance(outcome, Pending)


def _refusal(reason: str, evidence: Iterable[_Made]) -> Refused:
    return Refused(
        step="loop",
        reason=excerpt(reason),
        remedy="A person has to look at it.",
        final=True,
        evidence=tuple(shown(attempt, outcome) for attempt, outcome in evidence),
    )


class LoopStep:
    """Refuses a call that would go round once more; the refusal ends the run and says to a person what was tried."""

    name = "loop"

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Refuse, or pass and take note of what comes back."""
        attempt = Attempt.of(call, run)
        if (refusal := run.loops.begin(attempt)) is not None:
            return refusal
        outcome: Outcome | None = None
        try:
            outcome = await then(call)
        finally:
            run.loops.end(attempt, outcome)
        return outcome
