"""The page of one run: its measures, curves, slices and the questions it failed."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from tercet.evals.comparison import flattened
from tercet.evals.report.charts import interval_bar, line_chart, shares, swatch
from tercet.evals.report.markup import Cell, card, details, element, facts, grid, page, section, table
from tercet.evals.report.questions import cards, question_card
from tercet.evals.summary import setting, worst_outcomes
from tercet.evals.wording import LOSSES, MISSING, estimate_words, excerpt, first_relevant, interval, number, questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from tercet.evals.records import Estimate, EvalRun, Outcome

TILES = 4
SHOWN_QUESTIONS = 12
LISTED_QUESTIONS = 1000


def run_page(run: EvalRun) -> str:
    """One self-contained HTML page for a run."""
    return page(f"{run.name} · Tercet eval", *_parts(run))


def _parts(run: EvalRun) -> Iterator[Element]:
    main = next(iter(run.measures), "")
    yield _header(run, main)
    if run.warnings:
        yield card(element("h2", "To know"), *(element("p", excerpt(one, 400)) for one in run.warnings), kind="result")
    if run.measures:
        yield grid((_tile(name, one) for name, one in islice(run.measures.items(), TILES)), "tiles")
        yield section("Measures", _measures_table("Means over questions", run.measures))
    if run.curves:
        yield section("Curves", grid(curve_card(name, {run.name: points}) for name, points in run.curves.items()))
    if run.slices:
        yield section("Slices", *(_slice_table(name, values, main) for name, values in run.slices.items()))
    losses = _losses(run.outcomes)
    if losses is not None:
        yield losses
    worst = worst_outcomes(run)
    if worst:
        yield section(
            f"Lowest {main}",
            cards([question_card(outcome, main) for outcome in worst[:SHOWN_QUESTIONS]]),
            note=f"{len(worst):,} of {questions(len(run.outcomes))} are below 1; the lowest "
            f"{min(len(worst), SHOWN_QUESTIONS)} are shown. queries.jsonl has them all.",
        )
    yield section("Every question", details("Show the table", _questions_table(run)))
    yield _made_of(run)


def _header(run: EvalRun, main: str) -> Element:
    data = run.dataset
    lead = f"{main} {estimate_words(run.measures[main])}." if main else "No measure was taken."
    documents = f", {data.documents:,} documents" if data.documents else ""
    return element(
        "header",
        element("p", "Tercet eval · run", class_="eyebrow"),
        element("h1", run.name),
        element("p", lead, class_="lead"),
        element("p", f"{data.name}: {questions(data.questions)}{documents}. Started {run.started}.", class_="note"),
    )


def _tile(name: str, one: Estimate) -> Element:
    return element(
        "div",
        element("span", name),
        element("b", number(one.mean)),
        element("span", f"{interval(one.low, one.high)}"),
        class_="card tile",
    )


def _measures_table(caption: str, measures: Mapping[str, Estimate]) -> Element:
    top = _axis_top(measures.values())
    return table(
        caption,
        ("measure", "mean", "95 % interval", _axis_name(top), "questions"),
        (
            (
                name,
                Cell(number(one.mean), value=one.mean, number=True),
                Cell(interval(one.low, one.high), value=one.low, number=True),
                _interval_cell(one, top),
                Cell(f"{one.count:,}", value=one.count, number=True),
            )
            for name, one in measures.items()
        ),
    )


def _axis_top(estimates: Iterable[Estimate]) -> float:
    """Where the axis of interval bars ends: at 1 for shares."""
    return max([1.0, *(one.high for one in estimates)])


def _axis_name(top: float) -> str:
    return f"0 to {number(top) if top > 1 else 1}"


def _interval_cell(one: Estimate, top: float) -> Cell:
    """The bar of an estimate, or nothing where its scale is another than that of shares."""
    shown = one.low >= 0 and (top <= 1 or one.high > 1)
    return Cell(interval_bar(one.mean, one.low, one.high, top=top) if shown else "", value=one.mean)


def curve_card(name: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> Element:
    """A plot, and its points as a table for those who would rather read them."""
    y_label, _, x_label = name.partition(" against ")
    points = dict.fromkeys(x for one in series.values() for x, _ in one)
    values = [dict(one) for one in series.values()]
    return card(
        element("h3", name),
        line_chart(name, series, x_label=x_label or "x", y_label=y_label),
        details(
            "Show the points",
            table(
                name,
                (x_label or "x", *series),
                (
                    (f"{x:g}", *(Cell(number(one[x]) if x in one else MISSING, number=True) for one in values))
                    for x in sorted(points)
                ),
            ),
        ),
    )


def _slice_table(name: str, values: Mapping[str, Mapping[str, Estimate]], main: str) -> Element:
    names = list(dict.fromkeys(measure for measures in values.values() for measure in measures))
    shown = main if main in names else next(iter(names), "")
    others = [measure for measure in names if measure != shown]
    top = _axis_top([measures[shown] for measures in values.values() if shown in measures])
    return table(
        f"By {name}",
        (name, "questions", shown, "95 % interval", _axis_name(top), *others),
        (
            (
                value,
                *_slice_cells(measures.get(shown), top),
                *(
                    Cell(number(measures[one].mean), value=measures[one].mean, number=True)
                    if one in measures
                    else MISSING
                    for one in others
                ),
            )
            for value, measures in values.items()
        ),
        sortable=True,
    )


def _slice_cells(one: Estimate | None, top: float) -> tuple[Cell, ...]:
    if one is None:
        return (Cell(MISSING),) * 4
    return (
        Cell(f"{one.count:,}", value=one.count, number=True),
        Cell(number(one.mean), value=one.mean, number=True),
        Cell(interval(one.low, one.high), value=one.low, number=True),
        _interval_cell(one, top),
    )


def _losses(outcomes: Sequence[Outcome]) -> Element | None:
    counts: Counter[str] = Counter(outcome.loss for outcome in outcomes if outcome.loss is not None)
    if not counts:
        return None
    total = counts.total()
    rows = [(words, kind, counts[kind]) for kind, words in LOSSES.items()]
    return section(
        "Where evidence was lost",
        card(shares("Where evidence was lost", rows), kind="wide"),
        table(
            f"Of {questions(total)}",
            ("evidence was", "questions", "share"),
            (
                (
                    Cell(swatch(kind), words),
                    Cell(f"{count:,}", number=True),
                    Cell(f"{count / total:.1%}", number=True),
                )
                for words, kind, count in rows
            ),
        ),
    )


def _questions_table(run: EvalRun) -> Element:
    names = list(run.measures)
    shown = run.outcomes[:LISTED_QUESTIONS]
    caption = questions(len(run.outcomes))
    if len(shown) < len(run.outcomes):
        caption = f"The first {len(shown):,} of {caption}; queries.jsonl has them all"
    return table(
        caption,
        ("question", *names, "first expected at rank"),
        (
            (
                Cell(excerpt(outcome.text, 160)),
                *(_value(outcome.values.get(name)) for name in names),
                Cell(str(first_relevant(outcome) or MISSING), value=first_relevant(outcome) or 10**9, number=True),
            )
            for outcome in shown
        ),
        sortable=True,
    )


def _value(value: float | None) -> Cell:
    return Cell(MISSING, value="", number=True) if value is None else Cell(number(value), value=value, number=True)


def _made_of(run: EvalRun) -> Element:
    data = run.dataset
    return section(
        "What it was made of",
        card(
            facts(
                (
                    ("data set", data.name),
                    ("kind", data.kind),
                    ("read from", data.path or MISSING),
                    ("fingerprint", element("code", data.fingerprint)),
                    ("seed", str(run.seed)),
                    ("took", f"{run.seconds:,.1f} s"),
                    *((f"version of {name}", version) for name, version in run.versions.items()),
                    *((key, setting(value)) for key, value in flattened(run.configuration).items()),
                )
            ),
            kind="wide",
        ),
    )
