"""What a judging comes to: the mean grade, how sure the judge is of it, how right, and what it cost."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tercet.evals.judging.agreement import calibrate
from tercet.evals.records import Estimate
from tercet.evals.statistics import estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tercet.evals.judging.agreement import Calibration
    from tercet.evals.judging.rubrics import Rubric
    from tercet.evals.judging.verdicts import JudgedItem, Verdict
    from tercet.records import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Verdicts of one model under one rubric."""

    model: str
    rubric: Rubric
    repeats: int
    items: tuple[JudgedItem, ...]
    requests: int
    """That the judge sent so far, retries included."""
    usage: Usage
    """Tokens that they cost, as the service counts them; what cached verdicts once cost is not among them."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All of them."""
        return tuple(verdict for one in self.items for verdict in one.verdicts)

    @property
    def cached(self) -> int:
        """Verdicts that an earlier run paid for."""
        return sum(verdict.cached for verdict in self.verdicts)

    @property
    def problems(self) -> tuple[tuple[JudgedItem, Verdict], ...]:
        """Verdicts without a grade, with what they are of."""
        return tuple((one, verdict) for one in self.items for verdict in one.verdicts if verdict.problem)

    @property
    def flagged(self) -> tuple[JudgedItem, ...]:
        """Texts that may be trying to steer the judge; their grades count."""
        return tuple(one for one in self.items if one.item.flags)

    @property
    def spread(self) -> float | None:
        """Mean standard deviation between the repeats of one text."""
        return _mean(one.spread for one in self.items)

    @property
    def agreement(self) -> float | None:
        """Mean share of the pairs of repeats of one text that gave the same grade."""
        return _mean(one.agreement for one in self.items)

    def grade(self, *, seed: int = 0, flagged: bool = True) -> Estimate | None:
        """The mean grade with its 95 % interval over questions, each the mean of its texts.

        Args:
            seed: Of the resamples.
            flagged: Whether texts that may steer the judge count.

        Returns:
            None where nothing has a grade.
        """
        by_question: dict[str, list[float]] = {}
        for one in self.items:
            if one.mean is not None and (flagged or not one.item.flags):
                by_question.setdefault(one.item.question_id, []).append(one.mean)
        if not by_question:
            return None
        top = self.rubric.top  # between 0 and 1, one question has an interval too
        found = estimate({key: statistics.fmean(means) / top for key, means in by_question.items()}, seed=seed)
        return Estimate(mean=found.mean * top, low=found.low * top, high=found.high * top, count=found.count)

    def calibration(self, *, seed: int = 0) -> Calibration | None:
        """How far the judge agrees with gold labels; None where there are none."""
        return calibrate(self.items, positive_from=self.rubric.positive_from, seed=seed)

    def document(self, *, seed: int = 0) -> dict[str, Any]:
        """JSON values of all of it but the single verdicts."""
        grade, without = self.grade(seed=seed), self.grade(seed=seed, flagged=False)
        calibration = self.calibration(seed=seed)
        return {
            "model": self.model,
            "rubric": {
                "name": self.rubric.name,
                "version": self.rubric.version,
                "hash": self.rubric.hash,
                "top": self.rubric.top,
                "positive_from": self.rubric.positive_from,
            },
            "repeats": self.repeats,
            "questions": len({one.item.question_id for one in self.items}),
            "items": len(self.items),
            "verdicts": {
                "graded": sum(verdict.grade is not None for verdict in self.verdicts),
                "cached": self.cached,
                "without_grade": len(self.problems),
            },
            "grade": asdict(grade) if grade else None,
            "grade_unflagged": asdict(without) if without else None,
            "spread": self.spread,
            "agreement": self.agreement,
            "calibration": asdict(calibration) if calibration else None,
            "flagged": [{**_place(one), "flags": list(one.item.flags), "grade": one.mean} for one in self.flagged],
            "problems": [{**_place(one), "repeat": bad.repeat, "problem": bad.problem} for one, bad in self.problems],
            "requests": self.requests,
            "usage": asdict(self.usage),
        }


def judgement_lines(judgement: Judgement) -> Iterator[str]:
    """Every judged text as one line of JSON, with what each repeat said."""
    for one in judgement.items:
        record = {
            **_place(one),
            "gold": one.item.positive,
            "grade": one.mean,
            "spread": one.spread,
            "agreement": one.agreement,
            "flags": list(one.item.flags),
            "verdicts": [asdict(verdict) for verdict in one.verdicts],
        }
        yield json.dumps(record)  # in ASCII: a model may say half a surrogate pair


def _place(one: JudgedItem) -> dict[str, str]:
    return {"question": one.item.question_id, "item": one.item.id}


def _mean(values: Iterable[float | None]) -> float | None:
    known: Sequence[float] = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
