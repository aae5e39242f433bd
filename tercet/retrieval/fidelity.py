"""The gate between an extract and a model's shorter version, which is used only if it lost and invented nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.models.protected_spans import SpanKind, protected_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """What came of asking for a shorter version."""

    text: str
    """The rewriting where it passed, else the extract."""
    rewritten: bool
    reason: str = ""
    """Why the extract is used; empty when it is not."""


class FidelityGate:
    """Compares a rewriting with its extract.

    Every number, date, identifier, link, citation and piece of code of the extract must occur in the rewriting, letter
    by letter, and as many negations; none may appear that the extract does not have.

    Args:
        protect: Texts that must survive beside those, such as names.

    Example:
        >>> gate = FidelityGate()
        >>> gate.problem("Keys expire after 90 days, not 30.", "Keys last 90 days, not 30.")
        ''
        >>> gate.problem("Keys expire after 90 days.", "Keys expire after 60 days.")
        "number '90' is missing"
    """

    def __init__(self, *, protect: Collection[str] = ()) -> None:
        self._protect = tuple(protect)

    def problem(self, extract: str, rewriting: str) -> str:
        """The first thing wrong with a rewriting, in words; empty when it may be used."""
        if extract.strip() and not rewriting.strip():
            return "the rewriting is empty"
        had, has = _protected(extract), _protected(rewriting)
        for kind, value in had:
            if kind != "negation" and (kind, value) not in has:
                return f"{kind} {value!r} is missing"
        for kind, value in has:
            if kind != "negation" and (kind, value) not in had:
                return f"{kind} {value!r} is new"
        before, after = _negations(had), _negations(has)
        if before != after:
            return f"{before} negations became {after}"
        lost = next((text for text in self._protect if text in extract and text not in rewriting), None)
        return f"{lost!r} is missing" if lost is not None else ""


def rewrite(extract: str, rewriter: Callable[[str], str], *, gate: FidelityGate | None = None) -> Rewriting:
    """Ask for a shorter version of an extract and use it if it passes the gate.

    Args:
        extract: Text to shorten.
        rewriter: Anything that makes a text of a text, such as a call of a model. It is called once; what it raises is
            not caught.
        gate: Default: ``FidelityGate()``.

    Example:
        >>> rewrite("Rotate it every 90 days.", lambda text: "Rotate it monthly.").reason
        "number '90' is missing"
    """
    if not extract.strip():
        return Rewriting(text=extract, rewritten=False, reason="there is nothing to rewrite")
    answer = rewriter(extract)
    problem = (gate or FidelityGate()).problem(extract, answer)
    if not problem and len(answer) > len(extract):
        problem = "the rewriting is longer"
    return Rewriting(text=extract if problem else answer, rewritten=not problem, reason=problem)


def _protected(text: str) -> Counter[tuple[SpanKind, str]]:
    return Counter((span.kind, text[span.start : span.end].strip()) for span in protected_spans(text))


def _negations(found: Counter[tuple[SpanKind, str]]) -> int:
    return sum(count for (kind, _), count in found.items() if kind == "negation")
