"""Runs and comparisons as Markdown: what a person, a pull request or a job summary shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tercet.evals.wording import (
    MISSING,
    VERDICTS,
    conclusion,
    detectable_words,
    excerpt,
    interval,
    number,
    p_value,
    questions,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tercet.evals.comparison import Change, Comparison
    from tercet.evals.records import EvalRun, Outcome
    from tercet.evals.statistics import Difference

SHOWN_QUESTIONS = 10
SHOWN_HITS = 3


def run_summary(run: EvalRun) -> str:
    """A run on one page of Markdown. Text from the data is escaped: it can be no heading, link or HTML."""
    return "\n".join(_run_lines(run)) + "\n"


def comparison_summary(comparison: Comparison) -> str:
    """A comparison on one page of Markdown. Text from the data is escaped as in ``run_summary``."""
    return "\n".join(_comparison_lines(comparison)) + "\n"


def _run_lines(run: EvalRun) -> Iterator[str]:
    data = run.dataset
    yield f"# {plain(run.name)}"
    yield ""
    documents = f", {data.documents:,} documents" if data.documents else ""
    asked = questions(len(run.outcomes))
    yield f"{plain(data.name)}: {asked}{documents}; data {data.fingerprint[:12]}, seed {run.seed}."
    yield from _notes(run.warnings)
    yield from _table(
        ("measure", "mean", "95 % interval", "questions"),
        (
            (plain(name), number(one.mean), interval(one.low, one.high), f"{one.count:,}")
            for name, one in run.measures.items()
        ),
    )
    for slice_name, values in run.slices.items():
        names = list(dict.fromkeys(name for measures in values.values() for name in measures))[:3]
        yield from ("", f"## By {plain(slice_name)}")
        yield from _table(
            (slice_name, "questions", *names),
            (
                (
                    plain(value),
                    f"{max((one.count for one in measures.values()), default=0):,}",
                    *(number(measures[name].mean) if name in measures else MISSING for name in names),
                )
                for value, measures in values.items()
            ),
        )
    worst = worst_outcomes(run)[:SHOWN_QUESTIONS]
    if worst:
        yield from ("", f"## Lowest {plain(next(iter(run.measures)))}", "")
        for outcome in worst:
            yield from _question_lines(outcome)


def worst_outcomes(run: EvalRun) -> list[Outcome]:
    """The questions below 1 in the first measure, the lowest first."""
    if not run.measures:
        return []
    main = next(iter(run.measures))
    low = [outcome for outcome in run.outcomes if outcome.values.get(main, 1.0) < 1]
    return sorted(low, key=lambda outcome: outcome.values[main])


def _question_lines(outcome: Outcome) -> Iterator[str]:
    yield f"- {plain(excerpt(outcome.text))}"
    if outcome.error:
        yield f"  - failed: {plain(excerpt(outcome.error))}"
    yield f"  - expected: {', '.join(map(plain, outcome.relevant[:5])) or 'nothing'}"
    yield f"  - found: {_found(outcome)}"


def _found(outcome: Outcome) -> str:
    found = [f"{plain(item.id)} ({plain(excerpt(item.text, 80))})" for item in outcome.ranking[:SHOWN_HITS]]
    return "; ".join(found) or "nothing"


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    baseline, candidate, data = comparison.baseline, comparison.candidate, comparison.candidate.dataset
    yield f"# {plain(candidate.name)} against {plain(baseline.name)}"
    yield ""
    yield plain(conclusion(comparison.main))
    yield ""
    yield f"{plain(data.name)}: {questions(len(candidate.outcomes))}. {plain(detectable_words(comparison.main))}"
    if comparison.gates:
        yield from _table(
            ("gate", "result", "why"),
            (
                (plain(str(one.gate)), gate_word(one.passed, one.inconclusive), plain(one.message))
                for one in comparison.gates
            ),
        )
    yield from _notes(comparison.warnings)
    yield from _table(_HEADER, (_row(one.measure, one) for one in comparison.measures))
    for slice_name, values in comparison.slices.items():
        yield from ("", f"## {plain(comparison.main.measure)} by {plain(slice_name)}")
        yield from _table((slice_name, *_HEADER[1:]), (_row(value, one) for value, one in values.items()))
    if comparison.configuration:
        yield from ("", "## What was changed")
        yield from _table(
            ("setting", "baseline", "candidate"),
            (
                (plain(key), plain(setting(before)), plain(setting(after)))
                for key, (before, after) in comparison.configuration.items()
            ),
        )
    yield from _changes("Worst regressions", comparison.regressions)
    yield from _changes("Best improvements", comparison.improvements)


_HEADER = ("measure", "baseline", "candidate", "difference", "95 % interval", "p", "wins/ties/losses", "candidate is")


def _row(name: str, one: Difference) -> Sequence[str]:
    return (
        plain(name),
        number(one.baseline),
        number(one.candidate),
        signed(one.difference),
        interval(one.low, one.high, differences=True),
        plain(p_value(one.p)),
        f"{one.wins}/{one.ties}/{one.losses}",
        VERDICTS[one.verdict],
    )


def gate_word(passed: bool, inconclusive: bool) -> str:
    """How a gate ended, in a word."""
    return "failed" if not passed else "passed, inconclusive" if inconclusive else "passed"


def setting(value: object) -> str:
    """A setting as a table shows it."""
    return "not set" if value is None else excerpt(str(value), 120)


def _changes(title: str, changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        return
    yield from ("", f"## {title}", "")
    for change in changes:
        yield f"- {plain(excerpt(change.outcome.text))}: {number(change.baseline)} → {number(change.candidate)}"
        yield f"  - expected: {', '.join(map(plain, change.outcome.relevant[:5])) or 'nothing'}"
        yield f"  - found before: {_found(change.before)}"
        yield f"  - found now: {_found(change.outcome)}"


def _notes(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        yield ""
        yield from (f"> {plain(excerpt(warning, 400))}" for warning in warnings)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(map(plain, header))} |"
    yield "|" + "---|" * len(header)
    yield from (f"| {' | '.join(row)} |" for row in rows)


def plain(text: str) -> str:
    """A text that Markdown shows as it is.

    Example:
        >>> print(plain("[a](b) <img> | *c*"))
        \\[a\\](b) &lt;img> \\| \\*c\\*
    """
    escaped = re.sub(r"([\\`*_\[\]#|~!])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
