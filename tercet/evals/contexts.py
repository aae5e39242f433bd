"""Contexts of several sizes for each question, and how much evidence they keep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.evals.evidence import loss_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from tercet.evals.configuration import EvalConfiguration
    from tercet.evals.records import Outcome
    from tercet.memory.memory import Memory
    from tercet.records import Scope
    from tercet.retrieval.context_records import Context


class Contexts:
    """Builds the contexts of a run, and holds them by question.

    Args:
        memory: What is searched.
        configuration: How it is searched and compressed.
        budgets: Tokens; ``context.budget`` is measured beside them. None at all: nothing is built.
    """

    def __init__(self, memory: Memory, configuration: EvalConfiguration, budgets: Sequence[int]) -> None:
        self.budgets = tuple(budgets)
        self.size = configuration.context.budget
        """The one at which compression is looked at."""
        self._sizes = tuple(dict.fromkeys((*budgets, self.size)))
        self._built: dict[str, Mapping[int, Context]] = {}
        if budgets:
            from tercet.retrieval.context import ContextBuilder  # most runs build none

            self._builder = ContextBuilder(
                memory,
                counter=configuration.counter,
                config=configuration.context,
                compression=configuration.compression,
                retrieval=configuration.retrieval,
                episodic=configuration.episodic,
            )

    def build(self, key: str, text: str, *, scope: Scope, now: datetime | None = None) -> None:
        """Build those of a question."""
        if self.budgets:
            built = self._builder.build_sizes(text, budgets=self._sizes, scope=scope, now=now)
            self._built[key] = dict(zip(self._sizes, built, strict=True))

    def of(self, key: str) -> Mapping[int, Context] | None:
        """By number of tokens; None where none were built."""
        return self._built.get(key)

    def judged(
        self,
        outcome: Outcome,
        *,
        evidence: Collection[str],
        stored: Collection[str],
        found: Collection[str],
        holds: Callable[[Context], Collection[str]],
    ) -> Outcome:
        """An outcome with the share of its evidence that each context keeps, and the stage that lost a piece of it.

        Args:
            outcome: Of a question; one that failed has 0 everywhere and no stage.
            evidence: Ids of all pieces, at least one.
            stored: Ids of what the memory holds.
            found: Ids of the candidates of a context.
            holds: Ids of what a context holds.
        """
        if outcome.error:
            return replace(outcome, values={**outcome.values, **dict.fromkeys(map(kept_name, self.budgets), 0.0)})
        built = self.of(outcome.id)
        if built is None:
            return replace(outcome, loss=loss_of(evidence, stored=stored, found=found, kept=None))
        wanted = set(evidence)
        kept = {size: wanted.intersection(holds(context)) for size, context in built.items()}
        shares = {kept_name(size): len(kept[size]) / len(wanted) for size in self.budgets}
        return replace(
            outcome,
            values={**outcome.values, **shares},
            loss=loss_of(evidence, stored=stored, found=found, kept=kept[self.size]),
            tokens=built[self.size].tokens,
        )


def kept_name(budget: int) -> str:
    """What the share of evidence is called that a context of so many tokens keeps.

    Example:
        >>> kept_name(512)
        'kept@512'
    """
    return f"kept@{budget}"


def retention(outcomes: Sequence[Outcome], budgets: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """The mean share of evidence that is kept, by budget."""
    points = []
    for budget in budgets:
        shares = [one.values[kept_name(budget)] for one in outcomes if kept_name(budget) in one.values]
        points.append((float(budget), sum(shares) / len(shares) if shares else 0.0))
    return tuple(points)
