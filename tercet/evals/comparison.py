"""Two runs on the same data, question by question: what differs, on which questions, and whether gates hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, InputError
from tercet.evals.abstention import ABSTENTION_ACCURACY, UNPAIRED, WHY_UNPAIRED
from tercet.evals.costs import COSTS, gain, is_cost, value_of
from tercet.evals.measures import parse_measure
from tercet.evals.statistics import compare, holm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tercet.evals.gate import Gate, GateResult
    from tercet.evals.records import EvalRun, Outcome
    from tercet.evals.statistics import Difference

SHOWN_CHANGES = 10
"""Regressions, and improvements, that are told with their texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One question in both runs, seen through one measure."""

    measure: str
    baseline: float
    candidate: float
    before: Outcome
    outcome: Outcome
    """Of the candidate."""

    @property
    def difference(self) -> float:
        """Candidate minus baseline."""
        return self.candidate - self.baseline

    @property
    def gain(self) -> float:
        """The difference as what is won by it: of a cost, less is more."""
        return gain(self.measure, self.difference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A candidate against a baseline."""

    baseline: EvalRun
    candidate: EvalRun
    measures: tuple[Difference, ...]
    """Over all questions; p values are adjusted for their number (Holm)."""
    slices: Mapping[str, Mapping[str, Difference]]
    """Of the first measure, by slice and its value; p values are adjusted within each slice."""
    gates: tuple[GateResult, ...]
    changes: tuple[Change, ...]
    """Every question by the first measure, the worst regression first."""
    configuration: Mapping[str, tuple[object, object]]
    """Settings and versions that differ: baseline's, candidate's. None: it has no such setting."""
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no gate failed."""
        return all(result.passed for result in self.gates)

    @property
    def main(self) -> Difference:
        """The first measure, which regressions and slices are told by."""
        return self.measures[0]

    @property
    def regressions(self) -> tuple[Change, ...]:
        """The questions that lost most, the worst first."""
        return tuple(change for change in self.changes[:SHOWN_CHANGES] if change.gain < 0)

    @property
    def improvements(self) -> tuple[Change, ...]:
        """The questions that won most, the best first."""
        return tuple(change for change in self.changes[: -SHOWN_CHANGES - 1 : -1] if change.gain > 0)


def compare_runs(
    baseline: EvalRun,
    candidate: EvalRun,
    *,
    measures: Sequence[str] = (),
    gates: Sequence[Gate] = (),
    strict: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare two runs on the same data.

    Args:
        baseline: What is there.
        candidate: What would take its place.
        measures: Names as runs print them, another spelling that the measure is known by, or a cost (``latency ms``,
            ``context tokens``). By default that of the first gate, then all that both runs have, without the costs.
            The first is the one that regressions and slices are told by.
        gates: Conditions on differences. Their measures are compared too.
        strict: Whether an inconclusive gate fails.
        seed: Of the resampling.

    Raises:
        InputError: The runs are not on the same data, or lack a measure for each question.
    """
    _check_same_data(baseline, candidate)
    available = _shared_measures(baseline, candidate)
    known = [*available, *_shared_costs(baseline, candidate)]
    judged = [(gate, _named(gate.measure, known)) for gate in gates]
    gated = [name for _, name in judged]
    # What is gated is what the comparison is about, unless somebody says otherwise.
    asked = [_named(name, known) for name in measures] or [*gated[:1], *available]
    names = list(dict.fromkeys([*asked, *gated]))
    if not names:
        raise InputError(
            f"The runs {baseline.name!r} and {candidate.name!r} have no measure in common.",
            remedy="Make both with the same --measure.",
        )
    pairs = {name: _changes(baseline, candidate, name) for name in names}
    differences = holm(_difference(pairs[name], name, seed) for name in names)
    by_name = {difference.measure: difference for difference in differences}
    return Comparison(
        baseline=baseline,
        candidate=candidate,
        measures=tuple(differences),
        slices=_by_slice(pairs[names[0]], names[0], seed),
        gates=tuple(replace(gate, measure=name).check(by_name[name], strict=strict) for gate, name in judged),
        changes=tuple(sorted(pairs[names[0]], key=lambda change: change.gain)),
        configuration=_configuration(baseline, candidate),
        warnings=tuple(_warnings(baseline, candidate, names)),
    )


def _check_same_data(baseline: EvalRun, candidate: EvalRun) -> None:
    ours, theirs = baseline.dataset, candidate.dataset
    remedy = "Make both runs on the same data: tercet eval run --dataset D --out DIR"
    if ours.fingerprint != theirs.fingerprint:
        what = [
            f"{name} {before!r} and {after!r}"
            for name, before, after in (
                ("names", ours.name, theirs.name),
                ("numbers of documents", ours.documents, theirs.documents),
                ("numbers of questions", ours.questions, theirs.questions),
                ("fingerprints", ours.fingerprint[:12], theirs.fingerprint[:12]),
            )
            if before != after
        ]
        raise InputError(
            f"The runs {baseline.name!r} and {candidate.name!r} were made on different data ({', '.join(what)}): "
            "a difference between them would say nothing.",
            remedy=remedy,
        )
    before = {outcome.id for outcome in baseline.outcomes}
    after = {outcome.id for outcome in candidate.outcomes}
    if before != after:
        only = sorted(before ^ after)
        raise InputError(
            f"{len(only)} questions, such as {only[0]!r}, are in one of the runs {baseline.name!r} and "
            f"{candidate.name!r} only.",
            remedy=remedy,
        )
    if not before:
        raise InputError(f"The runs {baseline.name!r} and {candidate.name!r} have no questions.", remedy=remedy)


def _shared_measures(baseline: EvalRun, candidate: EvalRun) -> dict[str, None]:
    """What is measured question by question in both and can be paired, in the order of the candidate."""
    before = {name for outcome in baseline.outcomes for name in outcome.values}
    after = {name for outcome in candidate.outcomes for name in outcome.values}
    shown = [*candidate.measures, *sorted(after)]
    return {name: None for name in dict.fromkeys(shown) if name in before and name in after and name not in UNPAIRED}


def _shared_costs(baseline: EvalRun, candidate: EvalRun) -> list[str]:
    return [
        name
        for name in COSTS
        if all(any(value_of(one, name) is not None for one in run.outcomes) for run in (baseline, candidate))
    ]


def _named(text: str, available: Iterable[str]) -> str:
    names = list(available)
    if text in names:
        return text
    if text in UNPAIRED:
        raise InputError(f"{text} has no paired difference: {WHY_UNPAIRED}.", remedy=f"Use {ABSTENTION_ACCURACY}.")
    try:
        canonical = str(parse_measure(text))
    except ConfigurationError:
        canonical = text
    if canonical in names:
        return canonical
    raise InputError(
        f"There is no measure {text!r} in both runs, question by question.",
        remedy=f"They have {', '.join(names) or 'none in common'}.",
    )


def _changes(baseline: EvalRun, candidate: EvalRun, name: str) -> list[Change]:
    """Questions that one of the runs has a value for, in the order of the data set; no value counts as 0.

    Of a cost, 0 would be the best there is: questions that only one run has it for are left out.
    """
    before = {outcome.id: outcome for outcome in baseline.outcomes}
    changes = []
    for outcome in candidate.outcomes:
        values = (value_of(before[outcome.id], name), value_of(outcome, name))
        if values == (None, None) or (None in values and is_cost(name)):
            continue
        first, second = (value or 0.0 for value in values)
        changes.append(
            Change(measure=name, baseline=first, candidate=second, before=before[outcome.id], outcome=outcome)
        )
    return changes


def _difference(changes: Iterable[Change], name: str, seed: int) -> Difference:
    pairs = list(changes)
    return compare(
        {change.outcome.id: change.baseline for change in pairs},
        {change.outcome.id: change.candidate for change in pairs},
        measure=name,
        seed=seed,
    )


def _by_slice(changes: Iterable[Change], name: str, seed: int) -> dict[str, dict[str, Difference]]:
    groups: dict[str, dict[str, list[Change]]] = {}
    for change in changes:
        for key, value in change.outcome.slices.items():
            groups.setdefault(key, {}).setdefault(value, []).append(change)
    found: dict[str, dict[str, Difference]] = {}
    for key, by_value in groups.items():
        ordered = sorted(by_value, key=lambda value: (-len(by_value[value]), value))
        differences = holm(_difference(by_value[value], name, seed) for value in ordered)
        found[key] = dict(zip(ordered, differences, strict=True))
    return found


def _configuration(baseline: EvalRun, candidate: EvalRun) -> dict[str, tuple[object, object]]:
    before, after = (
        {**flattened(run.configuration), **{f"version of {name}": value for name, value in run.versions.items()}}
        for run in (baseline, candidate)
    )
    return {
        key: (before.get(key), after.get(key))
        for key in dict.fromkeys([*after, *before])
        if before.get(key) != after.get(key)
    }


def flattened(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Settings of settings under dotted names.

    Example:
        >>> flattened({"chunking": {"tokens": 256}, "seed": 0})
        {'chunking.tokens': 256, 'seed': 0}
    """
    flat: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _warnings(baseline: EvalRun, candidate: EvalRun, names: Sequence[str]) -> Iterable[str]:
    for role, run in (("baseline", baseline), ("candidate", candidate)):
        failed = [outcome.id for outcome in run.outcomes if outcome.error]
        if failed:
            yield f"{len(failed)} questions failed in the {role} and count as 0, such as {failed[0]!r}."
    before, after = _corpus(baseline), _corpus(candidate)
    if before != after:
        yield (
            f"The documents that were searched are not the same ({before} and {after}): a difference may be theirs, "
            "and not that of a setting."
        )
    for name in sorted(UNPAIRED.intersection(baseline.measures, candidate.measures)):
        yield f"{name} is not compared: {WHY_UNPAIRED}."
    outcomes = {outcome.id: outcome for outcome in baseline.outcomes}
    for name in names:
        lone = [
            one.id
            for one in candidate.outcomes
            if (value_of(one, name) is None) != (value_of(outcomes[one.id], name) is None)
        ]
        if lone:
            dealt = "they are left out of it" if is_cost(name) else "the other counts as 0"
            yield f"{len(lone)} questions have {name} in one run only, such as {lone[0]!r}; {dealt}."


def _corpus(run: EvalRun) -> str:
    """The fingerprint of documents that the data set does not bring itself, as people read it."""
    corpus = run.configuration.get("corpus")
    found = corpus.get("fingerprint") if isinstance(corpus, Mapping) else None
    return found[:12] if isinstance(found, str) else "those of the data set"
