"""Asking again: when, how often, after how long, and what all attempts cost together."""

from __future__ import annotations

import asyncio
import itertools
import math
from contextlib import aclosing
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import (
    ConfigurationError,
    ContextWindowError,
    IncompleteResponseError,
    MalformedResponseError,
    ModelError,
    ModelRefusalError,
    ModelUnavailableError,
    RateLimitedError,
    RequestRefusedError,
)
from tercet.models.chat_records import Completed, Restarted, TextDelta
from tercet.models.retrying import Attempt, RetryingModel
from tercet.records import Usage
from tercet.testing import BrokenStream, Failure, Reply, ScriptedModel, answer, text_block
from tests.models import chat_strategies as some
from tests.models.asking import HELLO, respond, stream

BUSY = {"retryable": True}


class Waits:
    """Keeps what it is asked to wait, and waits for nothing."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def retrying(script, **options) -> tuple[RetryingModel, Waits, list[Attempt]]:
    waits, attempts = Waits(), []
    inner = ScriptedModel(script) if isinstance(script, list) else script
    options = {"random": Random(7), **options}
    return RetryingModel(inner, sleep=waits, on_attempt=attempts.append, **options), waits, attempts


def test_only_errors_that_may_pass_are_tried_again() -> None:
    """Part of S1.05: what cannot succeed is not repeated."""
    for error in (
        RequestRefusedError("Refused."),
        ModelRefusalError("Refused.", category="bio"),
        ContextWindowError("Too long."),
        IncompleteResponseError("Cut.", reason="max_tokens"),
        MalformedResponseError("Garbage."),
    ):
        model, waits, attempts = retrying([error])
        with pytest.raises(type(error)):
            respond(model)
        assert (waits.seconds, len(attempts)) == ([], 1)


def test_it_succeeds_as_soon_as_the_model_does_and_reports_every_attempt() -> None:
    failed = [
        ModelUnavailableError("Overloaded.", **BUSY),
        IncompleteResponseError("Cut.", reason="cut", usage=Usage(input_tokens=3), **BUSY),
    ]
    seconds = itertools.count()
    model, waits, attempts = retrying([*failed, answer("at last")], clock=lambda: float(next(seconds)))

    got = respond(model)

    assert got.text == "at last"
    assert [attempt.number for attempt in attempts] == [1, 2, 3]
    assert [attempt.error for attempt in attempts] == [*failed, None]
    assert [attempt.wait for attempt in attempts] == [*waits.seconds, None]
    assert [attempt.seconds for attempt in attempts] == [1.0, 1.0, 1.0]
    assert all(attempt.request is HELLO for attempt in attempts)


def test_after_the_last_attempt_its_error_is_raised() -> None:
    model, waits, attempts = retrying([RateLimitedError(f"{number}.", **BUSY) for number in range(3)], attempts=3)

    with pytest.raises(RateLimitedError, match="2"):
        respond(model)
    assert (len(waits.seconds), attempts[-1].wait) == (2, None)


def test_the_service_says_how_long_to_wait_but_not_for_ever() -> None:
    errors = [RateLimitedError("Slow.", retry_after=wait, **BUSY) for wait in (0.0, 1.5, 4.29e6)]
    model, waits, _ = retrying([*errors, answer("at last")], attempts=4, max_wait=20.0)

    respond(model)

    assert waits.seconds == [0.0, 1.5, 20.0]


def test_waits_double_up_to_their_limit_less_a_quarter_by_chance_and_chance_is_seeded() -> None:
    script = [ModelUnavailableError("Busy.", **BUSY)] * 8
    runs = []
    for _ in range(2):
        model, waits, _ = retrying([*script, answer("at last")], attempts=9, max_wait=10.0)
        respond(model)
        runs.append(waits.seconds)

    assert runs[0] == runs[1]
    for number, wait in enumerate(runs[0]):
        full = min(0.5 * 2**number, 10.0)
        assert 0.75 * full <= wait <= full
    assert len({wait / min(0.5 * 2**number, 10.0) for number, wait in enumerate(runs[0])}) == 8


@given(st.lists(some.usages, min_size=1, max_size=5), some.usages, st.booleans(), st.booleans())
def test_what_all_attempts_cost_adds_up_exactly_also_when_none_succeeds(failed, last, succeeds, streamed) -> None:
    """Part of S1.05: nothing that was spent is lost."""
    script = [ModelUnavailableError("Busy.", usage=usage, **BUSY) for usage in failed]
    script.append(answer("done", usage=last) if succeeds else RequestRefusedError("No.", usage=last))
    model, _, attempts = retrying(script, attempts=len(script))
    try:
        outcome = stream(model)[-1].response if streamed else respond(model)
    except ModelError as error:
        outcome = error

    expected = sum([*failed, last], Usage())
    assert outcome.usage == last
    assert outcome.total_usage == expected
    assert sum((attempt.usage for attempt in attempts), Usage()) == expected


def test_a_stream_that_breaks_is_begun_anew_and_says_so() -> None:
    cut = IncompleteResponseError("It was cut.", reason="cut", usage=Usage(output_tokens=2), **BUSY)
    broken = BrokenStream(events=(TextDelta(part=0, text="Half"),), error=cut)
    model, waits, _ = retrying([ModelUnavailableError("Busy.", **BUSY), broken, answer("Whole.")])

    events = stream(model)

    assert events[:-1] == [
        TextDelta(part=0, text="Half"),
        Restarted(reason="It was cut."),
        TextDelta(part=0, text="Whole."),
    ]
    assert isinstance(events[-1], Completed)
    assert events[-1].response.failed_usage == Usage(output_tokens=2)
    assert len(waits.seconds) == 2


def test_a_stream_that_fails_for_good_raises_after_its_events() -> None:
    error = IncompleteResponseError("Cut.", reason="max_tokens")
    model, _, attempts = retrying([BrokenStream(events=(TextDelta(part=0, text="Half"),), error=error)])
    told = []

    with pytest.raises(IncompleteResponseError):
        stream(model, told=told)

    assert told == [TextDelta(part=0, text="Half")]
    assert [attempt.error for attempt in attempts] == [error]


def test_leaving_a_stream_early_is_no_failure_to_repeat() -> None:
    inner = ScriptedModel([answer("one", "two"), answer("unused")])
    model, _, attempts = retrying(inner)

    async def first() -> None:
        async with aclosing(model.stream(HELLO)) as events:
            async for _ in events:
                break

    asyncio.run(first())

    assert (len(inner.requests), attempts) == (1, [])


def test_a_service_that_recovers_is_asked_the_same_again(service, open_claude) -> None:
    """Part of S1.05: 429, 529 and a cut stream in a row, through the real client."""
    service.reply(
        Failure(status=429, type="rate_limit_error", headers={"retry-after-ms": "1500"}),
        Failure(status=529, type="overloaded_error"),
        Reply(content=[text_block("Half")], cut_at=700),
        Reply(content=[text_block("Whole.")]),
    )
    model, waits, attempts = retrying(open_claude(), attempts=4)

    events = stream(model)

    assert events[-1].response.text == "Whole."
    assert len({received.body for received in service.received}) == 1
    assert waits.seconds[0] == 1.5
    assert sum((attempt.usage for attempt in attempts), Usage()) == events[-1].response.total_usage
    assert events[-1].response.failed_usage == Usage(input_tokens=10, output_tokens=1)
    service.check_used_up()


@pytest.mark.parametrize("options", [{"attempts": 0}, {"max_wait": -1.0}, {"max_wait": math.inf}])
def test_attempts_and_waits_are_bounded(options) -> None:
    with pytest.raises(ConfigurationError, match="attempts"):
        RetryingModel(ScriptedModel([]), **options)
