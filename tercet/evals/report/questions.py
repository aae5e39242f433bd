"""Single questions in a report: what was expected, and what was found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.evals.report.markup import element
from tercet.evals.wording import excerpt, first_relevant, number, signed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

    from tercet.evals.comparison import Change
    from tercet.evals.records import Outcome

SHOWN_HITS = 5
SHOWN_EXPECTED = 10


def question_card(outcome: Outcome, measure: str) -> Element:
    """One question of a run."""
    value = outcome.values.get(measure)
    return element(
        "article",
        element("h3", excerpt(outcome.text, 400)),
        element("p", f"{measure} {number(value)}. " if value is not None else "", _rank_words(outcome), class_="note"),
        element("p", f"Failed: {excerpt(outcome.error, 400)}") if outcome.error else None,
        element("div", _expected(outcome), _found("Found", outcome), class_="columns"),
        class_="card question",
    )


def change_card(change: Change, measure: str) -> Element:
    """One question in two runs."""
    kind, mark = ("better", "▲") if change.gain > 0 else ("worse", "▼")
    return element(
        "article",
        element("h3", excerpt(change.outcome.text, 400)),
        element(
            "p",
            element("span", f"{mark} {signed(change.difference)}", class_="mark"),
            f" in {measure}: {number(change.baseline)} → {number(change.candidate)}.",
            class_=kind,
        ),
        _expected(change.outcome),
        element(
            "div",
            _found("Found by the baseline", change.before),
            _found("Found by the candidate", change.outcome),
            class_="columns",
        ),
        class_="card question",
    )


def _rank_words(outcome: Outcome) -> str:
    if not outcome.answerable:
        return "Nothing answers it: it should find nothing."
    rank = first_relevant(outcome)
    return f"The first of what was expected is at rank {rank}." if rank else "Nothing of what was expected was found."


def _expected(outcome: Outcome) -> Element:
    names = outcome.relevant[:SHOWN_EXPECTED]
    rest = len(outcome.relevant) - len(names)
    listed = [element("li", element("code", name)) for name in names]
    if rest:
        listed.append(element("li", f"and {rest} more"))
    return element(
        "div",
        element("h4", "Expected"),
        element("ol", *listed, class_="hits") if listed else element("p", "Nothing.", class_="note"),
    )


def _found(title: str, outcome: Outcome) -> Element:
    wanted = set(outcome.relevant)
    hits = [_hit(item.id, item.text, expected=item.id in wanted) for item in outcome.ranking[:SHOWN_HITS]]
    failed = f"Nothing: {excerpt(outcome.error)}" if outcome.error else "Nothing."
    return element(
        "div",
        element("h4", title),
        element("ol", *hits, class_="hits") if hits else element("p", failed, class_="note"),
        _later(outcome, wanted),
    )


def _hit(name: str, text: str, *, expected: bool) -> Element:
    return element(
        "li",
        element("code", name),
        element("span", "expected", class_="tag better") if expected else None,
        element("span", excerpt(text), class_="hit-text") if text.strip() else None,
        class_="expected" if expected else None,
    )


def _later(outcome: Outcome, wanted: set[str]) -> Element | None:
    """Where the first expected thing is, when it is not among those shown."""
    rank = first_relevant(outcome)
    if not wanted or (rank is not None and rank <= SHOWN_HITS):
        return None
    where = f"Expected at rank {rank}." if rank else f"Expected, but not among {len(outcome.ranking)} found."
    return element("p", where, class_="note")


def cards(items: Sequence[Element]) -> Element:
    """One under the other."""
    return element("div", *items, class_="wide")
