"""How reports word numbers and quote texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.evals.records import Estimate, Outcome
    from tercet.evals.statistics import Difference

_UNFIT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for, and the control characters that it only tolerates."""

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"
"""What a table shows where there is no value."""
VERDICTS = {"candidate": "better", "baseline": "worse", "no difference": "no difference shown"}
"""What a comparison says of the candidate, in a word."""
LOSSES = {
    "none": "not lost",
    "compression": "a candidate, but cut out of the context",
    "read": "stored, but not among a context's candidates",
    "write": "not stored",
}
"""What became of a question's evidence."""


def clean(text: str) -> str:
    """A text without what XML and HTML have no place for: control characters and halves of surrogate pairs.

    Example:
        >>> clean("a\\x00b\\x1b[31m")
        'a\ufffdb\ufffd[31m'
    """
    return _UNFIT.sub("\ufffd", text)


def number(value: float) -> str:
    """A value of a measure: three decimals for what is at most 1, fewer for what is larger.

    Example:
        >>> number(0.7363), number(12.345), number(1520.4)
        ('0.736', '12.35', '1,520')
    """
    size = abs(value)
    if size <= 1:
        return f"{value:.3f}"
    if size >= 1e12:
        return f"{value:.3g}"
    return f"{value:.2f}" if size < 100 else f"{value:,.0f}"


def signed(value: float) -> str:
    """A difference, with its sign and a real minus.

    Example:
        >>> signed(0.5), signed(-0.0001), signed(-0.0123) == f"{MINUS}0.012"
        ('+0.500', '0.000', True)
    """
    text = number(abs(value))
    if not text.strip("0.,"):
        return text
    return (MINUS if value < 0 else "+") + text


def p_value(p: float) -> str:
    """A p value as journals write it.

    Example:
        >>> p_value(0.0004), p_value(0.034)
        ('<0.001', '0.034')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def estimate_words(estimate: Estimate) -> str:
    """A mean with its interval and count.

    Example:
        >>> from tercet.evals.records import Estimate
        >>> estimate_words(Estimate(mean=0.7363, low=0.69, high=0.78, count=300))
        '0.736 [0.690, 0.780] over 300 questions'
    """
    return f"{number(estimate.mean)} {interval(estimate.low, estimate.high)} over {questions(estimate.count)}"


def interval(low: float, high: float, *, differences: bool = False) -> str:
    """An interval in brackets.

    Example:
        >>> interval(0.1, 0.25), interval(0.1, 0.25, differences=True)
        ('[0.100, 0.250]', '[+0.100, +0.250]')
    """
    write = signed if differences else number
    return f"[{write(low)}, {write(high)}]"


def questions(count: int) -> str:
    """How many questions.

    Example:
        >>> questions(1), questions(1200)
        ('1 question', '1,200 questions')
    """
    return f"{count:,} question" + ("" if count == 1 else "s")


def excerpt(text: str, length: int = 280) -> str:
    """The beginning of a text on one line.

    Example:
        >>> excerpt("one\\n two  three", 9)
        'one two …'
    """
    line = " ".join(clean(text).split())
    if len(line) <= length:
        return line
    cut = line[: length - 1]
    words = cut if line[length - 1] == " " else cut.rpartition(" ")[0]
    return (words or cut).rstrip() + " …"


def first_relevant(outcome: Outcome) -> int | None:
    """Rank of the first thing found that should have been, from 1; None where there is none."""
    wanted = set(outcome.relevant)
    return next((rank for rank, item in enumerate(outcome.ranking, start=1) if item.id in wanted), None)


def conclusion(difference: Difference) -> str:
    """What to do, in a sentence.

    A winner is named only where the interval of the difference excludes 0.
    """
    found = f"{difference.measure} {signed(difference.difference)} {_interval_of(difference)}"
    if difference.verdict == "candidate":
        return f"{found}: the candidate is better."
    if difference.verdict == "baseline":
        return f"{found}: the candidate is worse."
    return f"{found}: no difference shown; take the cheaper."


def difference_words(difference: Difference) -> str:
    """A comparison by one measure, on one line."""
    return (
        f"{number(difference.baseline)} -> {number(difference.candidate)}, {signed(difference.difference)} "
        f"{_interval_of(difference)}, p {p_value(difference.p)}, {difference.wins} wins, {difference.ties} ties, "
        f"{difference.losses} losses: {VERDICTS[difference.verdict]}"
    )


def detectable_words(difference: Difference) -> str:
    """What so many questions can show at all."""
    return (
        f"These {questions(difference.count)} show a difference in {difference.measure} of "
        f"{number(difference.detectable)} or more four times out of five; they are too few to see less."
    )


def _interval_of(difference: Difference) -> str:
    return interval(difference.low, difference.high, differences=True)
