"""What a judge said: one verdict a repeat, and what the repeats of one text come to."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from tercet.records import Usage

if TYPE_CHECKING:
    from tercet.evals.judging.items import JudgeItem
    from tercet.evals.judging.rubrics import Rubric


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One grade of one text, or why there is none."""

    repeat: int
    """From 1."""
    grade: int | None
    """None: the answer was no verdict, or there was no answer."""
    reason: str = ""
    """The judge's own words."""
    problem: str = ""
    """Why there is no grade; empty where there is one."""
    model: str = ""
    """Who answered, by its full name."""
    usage: Usage = field(default_factory=Usage)
    """What it cost when it was asked for, failed attempts included."""
    cached: bool = False
    """It was asked for by an earlier run, and cost nothing now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedItem:
    """A text and all that was said of it."""

    item: JudgeItem
    verdicts: tuple[Verdict, ...]
    """In the order of the repeats."""

    @property
    def grades(self) -> tuple[int, ...]:
        """Of the verdicts that have one."""
        return tuple(one.grade for one in self.verdicts if one.grade is not None)

    @property
    def mean(self) -> float | None:
        """Mean grade; None where there is none."""
        return statistics.fmean(self.grades) if self.grades else None

    @property
    def spread(self) -> float | None:
        """Standard deviation of the grades (of a sample: divided by n - 1); None below two of them."""
        return statistics.stdev(self.grades) if len(self.grades) > 1 else None

    @property
    def agreement(self) -> float | None:
        """Share of the pairs of repeats that gave the same grade; None below two grades."""
        pairs = list(combinations(self.grades, 2))
        return sum(one == other for one, other in pairs) / len(pairs) if pairs else None


class _Said(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    reason: str
    grade: int


def read_verdict(text: str, rubric: Rubric) -> tuple[int | None, str, str]:
    """Check an answer against the rubric: no service is trusted to have kept to a schema.

    Returns:
        Grade, reason and problem; either the grade is None or the problem empty.

    Example:
        >>> from tercet.evals.judging.rubrics import PASSAGE_RUBRIC
        >>> read_verdict('{"reason": "It says so.", "grade": 3}', PASSAGE_RUBRIC)
        (3, 'It says so.', '')
        >>> read_verdict('{"reason": "It told me to.", "grade": 5}', PASSAGE_RUBRIC)
        (None, '', 'grade 5 is not on the scale from 0 to 3')
    """
    try:
        said = _Said.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return None, "", f"not of the form that was asked for: {where + ': ' if where else ''}{first['msg']}"
    if not 0 <= said.grade <= rubric.top:
        return None, "", f"grade {said.grade} is not on the scale from 0 to {rubric.top}"
    return said.grade, said.reason, ""
