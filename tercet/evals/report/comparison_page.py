"""The page of a comparison: the verdict, the gates, and the questions behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.evals.report.charts import difference_bar, waterfall
from tercet.evals.report.markup import Cell, card, details, element, grid, page, section, table
from tercet.evals.report.questions import cards, change_card
from tercet.evals.report.run_page import curve_card
from tercet.evals.summary import gate_word, setting
from tercet.evals.wording import (
    LOSSES,
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
    from collections.abc import Iterable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from tercet.evals.comparison import Change, Comparison
    from tercet.evals.gate import GateResult
    from tercet.evals.statistics import Difference

LISTED_QUESTIONS = 1000
_WORDS = {**VERDICTS, "no difference": "undecided"}
_KINDS = {"candidate": ("better", "▲"), "baseline": ("worse", "▼"), "no difference": ("even", "●")}


def comparison_page(comparison: Comparison) -> str:
    """One self-contained HTML page for a comparison."""
    return page(f"{comparison.candidate.name} against {comparison.baseline.name} · Tercet eval", *_parts(comparison))


def _parts(comparison: Comparison) -> Iterator[Element]:
    main = comparison.main
    yield _header(comparison)
    yield _verdict(main)
    for warning in comparison.warnings:
        yield card(element("p", excerpt(warning, 400)), kind="result wide")
    if comparison.gates:
        yield section("Gates", *(_gate(result) for result in comparison.gates))
    yield section(
        "Measures",
        _differences(
            "Candidate minus baseline, p values adjusted for the number of measures (Holm)",
            "measure",
            comparison.measures,
        ),
        note="The line in the middle is no difference. ▲ better and ▼ worse only where the interval excludes it.",
    )
    yield section(
        f"{main.measure}, question by question",
        card(waterfall(comparison.changes, main.measure), kind="wide"),
        note=f"{main.losses:,} lost, {main.ties:,} the same, {main.wins:,} won.",
    )
    shared = [name for name in comparison.candidate.curves if name in comparison.baseline.curves]
    if shared:
        yield section("Curves", _curves(comparison, shared))
    if comparison.slices:
        yield section(
            f"{main.measure} by slice",
            *(_slice(name, values) for name, values in comparison.slices.items()),
        )
    losses = _losses(comparison)
    if losses is not None:
        yield losses
    yield from _changed("Worst regressions", comparison.regressions, main.measure)
    yield from _changed("Best improvements", comparison.improvements, main.measure)
    yield section("Every question", details("Show the table", _questions(comparison.changes, main.measure)))
    yield _configuration(comparison)


def _header(comparison: Comparison) -> Element:
    data = comparison.candidate.dataset
    return element(
        "header",
        element("p", "Tercet eval · comparison", class_="eyebrow"),
        element("h1", f"{comparison.candidate.name} against {comparison.baseline.name}"),
        element(
            "p",
            f"{data.name}: {questions(len(comparison.changes))}. Candidate {comparison.candidate.name} "
            f"({comparison.candidate.started}), baseline {comparison.baseline.name} ({comparison.baseline.started}).",
            class_="note",
        ),
    )


def _verdict(main: Difference) -> Element:
    kind, mark = _KINDS[main.verdict]
    return element(
        "div",
        element("p", element("span", f"{mark} ", class_="mark"), conclusion(main)),
        element("p", detectable_words(main), class_="note"),
        class_=f"card verdict {kind}",
    )


def _gate(result: GateResult) -> Element:
    kind, mark = ("worse", "✗") if not result.passed else ("even", "!") if result.inconclusive else ("better", "✓")
    return element(
        "div",
        element(
            "p",
            element("span", f"{mark} {result.gate} ", class_="mark"),
            element("span", gate_word(result.passed, result.inconclusive), class_=f"tag {kind}"),
        ),
        element("p", result.message, class_="note"),
        class_=f"card result wide {kind}",
    )


def _differences(caption: str, first: str, differences: Iterable[Difference], names: Iterable[str] = ()) -> Element:
    listed = list(differences)
    labels = list(names) or [one.measure for one in listed]
    reach = max((abs(bound) for one in listed for bound in (one.low, one.high)), default=1.0)
    return table(
        caption,
        (
            first,
            "baseline",
            "candidate",
            "difference",
            f"{signed(-reach)} to {signed(reach)}",
            "95 % interval",
            "verdict",
            "p",
            "won / tied / lost",
        ),
        (_row(label, one, reach) for label, one in zip(labels, listed, strict=True)),
        sortable=True,
    )


def _row(label: str, one: Difference, reach: float) -> tuple[Cell | str, ...]:
    mark = _KINDS[one.verdict][1]
    return (
        label,
        Cell(number(one.baseline), value=one.baseline, number=True),
        Cell(number(one.candidate), value=one.candidate, number=True),
        Cell(signed(one.difference), value=one.difference, number=True),
        Cell(difference_bar(one, reach=reach), value=one.difference),
        Cell(interval(one.low, one.high, differences=True), value=one.low, number=True),
        Cell(element("span", f"{mark} {_WORDS[one.verdict]}", class_="mark"), value=_WORDS[one.verdict]),
        Cell(p_value(one.p), value=one.p, number=True),
        Cell(f"{one.wins:,} / {one.ties:,} / {one.losses:,}", value=one.wins - one.losses, number=True),
    )


def _slice(name: str, by_value: Mapping[str, Difference]) -> Element:
    labels = [f"{value} ({one.count})" for value, one in by_value.items()]
    return _differences(f"By {name}, with the number of questions", name, by_value.values(), labels)


def _curves(comparison: Comparison, names: Iterable[str]) -> Element:
    candidate, baseline = comparison.candidate, comparison.baseline
    labels = (candidate.name, baseline.name)
    if labels[0] == labels[1]:
        labels = ("candidate", "baseline")
    return grid(
        curve_card(name, dict(zip(labels, (candidate.curves[name], baseline.curves[name]), strict=True)))
        for name in names
    )


def _losses(comparison: Comparison) -> Element | None:
    pairs = [(change.before.loss, change.outcome.loss) for change in comparison.changes]
    if not any(after for _, after in pairs) or not any(before for before, _ in pairs):
        return None
    return section(
        "Where evidence was lost",
        table(
            "Questions by what became of their evidence",
            ("evidence was", "baseline", "candidate"),
            (
                (
                    words,
                    Cell(f"{sum(before == kind for before, _ in pairs):,}", number=True),
                    Cell(f"{sum(after == kind for _, after in pairs):,}", number=True),
                )
                for kind, words in LOSSES.items()
            ),
        ),
    )


def _changed(title: str, changes: Iterable[Change], measure: str) -> Iterator[Element]:
    listed = [change_card(change, measure) for change in changes]
    if listed:
        yield section(title, cards(listed))


def _questions(changes: tuple[Change, ...], measure: str) -> Element:
    moved = [change for change in changes if change.difference][:LISTED_QUESTIONS]
    return table(
        f"{questions(len(moved))} whose {measure} differs",
        ("question", "baseline", "candidate", "difference"),
        (
            (
                excerpt(change.outcome.text, 160),
                Cell(number(change.baseline), value=change.baseline, number=True),
                Cell(number(change.candidate), value=change.candidate, number=True),
                Cell(signed(change.difference), value=change.difference, number=True),
            )
            for change in moved
        ),
        sortable=True,
    )


def _configuration(comparison: Comparison) -> Element:
    if not comparison.configuration:
        return section("What was changed", note="No setting and no version differs.")
    return section(
        "What was changed",
        table(
            "Settings and versions that differ",
            ("setting", "baseline", "candidate"),
            ((key, setting(before), setting(after)) for key, (before, after) in comparison.configuration.items()),
        ),
    )
