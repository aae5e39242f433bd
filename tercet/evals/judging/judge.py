"""Asking a model for verdicts: each text several times, within a budget, and nothing twice that is kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.errors import (
    ConfigurationError,
    ContextWindowError,
    IncompleteResponseError,
    MalformedResponseError,
    ModelError,
    ModelRefusalError,
)
from tercet.evals.judging.judgement import Judgement
from tercet.evals.judging.metering import MeteredModel
from tercet.evals.judging.rubrics import PASSAGE_RUBRIC, Rubric
from tercet.evals.judging.verdict_cache import VerdictCache, verdict_key
from tercet.evals.judging.verdicts import JudgedItem, Verdict, read_verdict
from tercet.models.retrying import RetryingModel
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tercet.evals.judging.items import JudgeItem
    from tercet.models.chat import ChatModel

ABOUT_ONE_TEXT = (ModelRefusalError, IncompleteResponseError, ContextWindowError, MalformedResponseError)
"""Failures that say nothing about the next text. Every other failure ends the judging."""

_Job = tuple[int, int]
"""Which item, and which repeat of it."""


class Judge:
    """Has texts graded by a chat model.

    Every text is graded ``repeats`` times, as a model need not say the same twice: the spread says how much of a grade
    is the model's mood. Answers are checked against the rubric after what they cost is booked; one that does not fit is
    listed and is no grade.

    Args:
        model: Who grades. Requests are repeated here: give it as ``resolve_model`` does.
        rubric: What is graded, by which scale.
        repeats: Verdicts on each text.
        cache: Verdicts are kept there and found again; None: every verdict is asked for.
        max_requests: To the model, retries included; None: any number.
        max_tokens: Of input and output; checked before each request; None: any number.
        attempts: For one verdict, where the service fails for now.
        parallel: Requests under way at the same time.
        answer_tokens: Of one verdict, the model's reasoning included.

    Raises:
        ConfigurationError: A number is below 1.

    Example:
        >>> from tercet.evals.judging import JudgeItem
        >>> from tercet.testing import FunctionModel, answer
        >>> model = FunctionModel(lambda request: answer('{"reason": "It says when.", "grade": 3}'))
        >>> item = JudgeItem(question_id="q1", question="How often?", id="keys.md", text="Every 90 days.")
        >>> judgement = asyncio.run(Judge(model, repeats=2).judge([item]))
        >>> judgement.items[0].grades, judgement.requests, judgement.usage.total_tokens
        ((3, 3), 2, 30)
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        rubric: Rubric = PASSAGE_RUBRIC,
        repeats: int = 3,
        cache: VerdictCache | None = None,
        max_requests: int | None = 1_000,
        max_tokens: int | None = 2_000_000,
        attempts: int = 3,
        parallel: int = 4,
        answer_tokens: int = 2_048,
    ) -> None:
        for name, value in (("repeats", repeats), ("parallel", parallel), ("answer_tokens", answer_tokens)):
            if value < 1:
                raise ConfigurationError(f"{name}={value}: nothing can be judged.", remedy="Use 1 or more.")
        self.rubric, self.repeats = rubric, repeats
        self._metered = MeteredModel(model, max_requests=max_requests, max_tokens=max_tokens)
        self._model = RetryingModel(self._metered, attempts=attempts)
        self._cache = cache
        self._parallel, self._answer_tokens = parallel, answer_tokens
        self._made: dict[_Job, Verdict] = {}
        self._items: tuple[JudgeItem, ...] = ()

    @property
    def judgement(self) -> Judgement:
        """What was judged so far in the newest call of ``judge``, also where that was stopped."""
        return Judgement(
            model=self._metered.name,
            rubric=self.rubric,
            repeats=self.repeats,
            items=tuple(
                JudgedItem(item=item, verdicts=verdicts)
                for place, item in enumerate(self._items)
                if (verdicts := self._verdicts_of(place))
            ),
            requests=self._metered.requests,
            usage=self._metered.usage,
        )

    async def judge(
        self, items: Sequence[JudgeItem], *, progress: Callable[[Progress], None] | None = None
    ) -> Judgement:
        """Have every item graded.

        Requests that are under way when one fails come to their end, are booked and kept.

        Args:
            items: Texts with their questions.
            progress: Called after each verdict.

        Raises:
            ModelBudgetError: The budget is used up; ``judgement`` has what was made before.
            ModelError: The model cannot be asked any longer; likewise.
            VerdictCacheError: The cache is damaged or cannot be written.
        """
        self._items, self._made = tuple(items), {}
        jobs = iter([(place, repeat) for place in range(len(items)) for repeat in range(1, self.repeats + 1)])
        total = len(items) * self.repeats
        failures: list[Exception] = []
        try:
            await asyncio.gather(*(self._work(jobs, total, failures, progress) for _ in range(self._parallel)))
        finally:
            await self._model.aclose()
        if failures:
            raise failures[0]
        return self.judgement

    async def _work(
        self,
        jobs: Iterator[_Job],
        total: int,
        failures: list[Exception],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        """Take one job after the other until there is none, or until somebody failed."""
        for job in jobs:
            try:
                self._made[job] = await self._verdict(self._items[job[0]], job[1])
            except Exception as error:  # raised by ``judge`` when the others have come to their end
                failures.append(error)
            if failures:
                return
            if progress:
                progress(Progress(phase="judge", done=len(self._made), total=total))

    async def _verdict(self, item: JudgeItem, repeat: int) -> Verdict:
        request = item.request(self.rubric, max_tokens=self._answer_tokens)
        key = verdict_key(self._metered.name, self.rubric, request, repeat)
        if self._cache and (kept := self._cache.read(key, self.rubric)):
            return replace(kept, repeat=repeat, cached=True)
        try:
            response = await self._model.respond(request)
        except ABOUT_ONE_TEXT as error:
            return _failed(repeat, error)
        grade, reason, problem = read_verdict(response.text, self.rubric)
        verdict = Verdict(
            repeat=repeat,
            grade=grade,
            reason=reason,
            problem=problem,
            model=response.model,
            usage=response.total_usage,
        )
        if self._cache and grade is not None:  # what is no verdict is asked for again by the next run
            self._cache.write(key, verdict)
        return verdict

    def _verdicts_of(self, place: int) -> tuple[Verdict, ...]:
        numbers = range(1, self.repeats + 1)
        return tuple(self._made[place, number] for number in numbers if (place, number) in self._made)


def _failed(repeat: int, error: ModelError) -> Verdict:
    problem = f"{type(error).__name__}: {error.message}"
    return Verdict(repeat=repeat, grade=None, problem=problem, usage=error.total_usage)
