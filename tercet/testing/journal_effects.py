"""What every ``Journal`` must do with effects. Part of ``JournalConformance``. Needs pytest."""
# ruff: noqa: D102 - the name of a test says what it shows

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tercet.errors import InputError, StateError
from tercet.records import Scope
from tercet.testing.journal_records import ADA, BOB, NOON, ceiling, later, new_run, payment

if TYPE_CHECKING:
    from tercet.memory.journal.records import EffectState, Journal

THREADS = 64
SETTLED: tuple[EffectState, ...] = ("done", "failed", "in_doubt")


class EffectConformance:
    """The part about effects."""

    def test_an_effect_is_started_once_for_each_key(self, journal: Journal) -> None:
        assert journal.effect("pay-1") is None
        first = journal.reserve(payment(), ceilings=(), at=NOON)
        assert (first.new, first.exceeded, first.total) == (True, None, Decimal(0))
        assert first.effect is not None
        assert (first.effect.state, first.effect.started_at, first.effect.finished_at) == ("started", NOON, None)
        assert (first.effect.amounts, first.effect.scope) == ({"value": Decimal("999.00")}, ADA)
        second = journal.reserve(payment(value="1.00", run="run-2"), ceilings=[ceiling("0")], at=later(1))
        assert (second.new, second.effect) == (False, first.effect)
        assert journal.effect("pay-1") == first.effect

    def test_of_many_that_want_one_effect_one_starts_it(self, journal: Journal) -> None:
        def want(number: int) -> bool:
            return journal.reserve(payment(call=str(number), agent=f"a{number % 8}"), ceilings=(), at=NOON).new

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(want, range(THREADS))) == 1

    def test_an_effect_ends_as_it_is_said_to(self, journal: Journal) -> None:
        journal.reserve(payment(), ceilings=(), at=NOON)
        journal.settle("pay-1", state="in_doubt", result=None, reason="the process died", at=later(1))
        journal.settle("pay-1", state="done", result='{"id":7}', reason="seen by eve", at=later(2))
        found = journal.effect("pay-1")
        assert found is not None
        assert (found.state, found.result, found.reason) == ("done", '{"id":7}', "seen by eve")
        assert (found.started_at, found.finished_at) == (NOON, later(2))
        for state in SETTLED:
            with pytest.raises(StateError, match="done"):
                journal.settle("pay-1", state=state, result=None, at=later(3))
        assert journal.effect("pay-1") == found

    def test_what_never_started_does_not_end(self, journal: Journal) -> None:
        with pytest.raises(InputError, match="pay-1"):
            journal.settle("pay-1", state="done", result=None, at=NOON)
        journal.reserve(payment(), ceilings=(), at=NOON)
        with pytest.raises(InputError, match="started"):
            journal.settle("pay-1", state="started", result=None, at=NOON)

    def test_a_failed_effect_starts_anew(self, journal: Journal) -> None:
        journal.reserve(payment(), ceilings=(), at=NOON)
        journal.settle("pay-1", state="failed", result="{}", reason="refused", at=later(1))
        again = payment(value="5.50", run="run-2", call="call-2", scope=BOB, arguments_hash="cd")
        found = journal.reserve(again, ceilings=[ceiling()], at=later(2))
        assert (found.new, found.total) == (True, Decimal("5.5"))
        assert found.effect == journal.effect("pay-1")
        assert found.effect is not None
        assert (found.effect.run, found.effect.scope, found.effect.arguments_hash) == ("run-2", BOB, "cd")
        assert (found.effect.state, found.effect.result, found.effect.reason) == ("started", None, "")
        assert (found.effect.started_at, found.effect.finished_at) == (later(2), None)
        assert found.effect.amounts == {"value": Decimal("5.50")}

    def test_a_thousand_passes_and_a_cent_more_does_not(self, journal: Journal) -> None:
        assert journal.reserve(payment("a", "999.99"), ceilings=[ceiling("1000.00")], at=NOON).new
        beyond = journal.reserve(payment("b", "0.02"), ceilings=[ceiling("1000.00")], at=NOON)
        assert (beyond.effect, beyond.new, beyond.total) == (None, False, Decimal("1000.01"))
        assert beyond.exceeded == ceiling("1000.00")
        assert journal.effect("b") is None
        assert journal.reserve(payment("b", "0.01"), ceilings=[ceiling("1000.00")], at=NOON).total == Decimal(1000)

    def test_amounts_add_up_exactly(self, journal: Journal) -> None:
        many = [ceiling("1.000000001")]
        for number in range(10):
            assert journal.reserve(payment(str(number), "0.1"), ceilings=many, at=NOON).new
        assert not journal.reserve(payment("x", "0.000000002"), ceilings=many, at=NOON).new
        assert journal.reserve(payment("x", "0.000000001"), ceilings=many, at=NOON).new
        large = payment("large", "999999999999999.999999999")
        assert journal.reserve(large, ceilings=[ceiling("1e15", tools=("other",))], at=NOON).new
        assert journal.reserve(replace(large, key="y"), ceilings=[ceiling("9e15")], at=NOON).total == Decimal(
            "2000000000000000.999999999"
        )

    def test_failed_effects_do_not_count(self, journal: Journal) -> None:
        for number, state in enumerate(SETTLED):
            journal.reserve(payment(str(number), "300"), ceilings=(), at=NOON)
            journal.settle(str(number), state=state, result=None, at=NOON)
        journal.reserve(payment("open", "300"), ceilings=(), at=NOON)
        assert journal.reserve(payment("last", "100"), ceilings=[ceiling("1000")], at=NOON).total == 1000

    def test_erased_effects_count(self, journal: Journal) -> None:
        journal.begin(new_run())
        journal.reserve(payment("a", "600"), ceilings=(), at=NOON)
        journal.erase(["run-1"], at=NOON)
        assert journal.reserve(payment("b", "500"), ceilings=[ceiling("1000")], at=NOON).total == 1100

    def test_a_window_counts_its_tenant_agent_tools_measure_and_time(self, journal: Journal) -> None:
        others = (
            payment("tenant", scope=Scope(tenant="other", user="ada")),
            payment("nobody", scope=Scope(user="ada")),
            payment("agent", agent="other"),
            payment("tool", tool="refund"),
            replace(payment("measure"), amounts={"targets": Decimal(5)}),
        )
        for effect in others:
            journal.reserve(effect, ceilings=(), at=NOON)
        journal.reserve(payment("old", "7"), ceilings=(), at=NOON - timedelta(hours=1))
        journal.reserve(payment("other person", "3", scope=BOB), ceilings=(), at=NOON)
        hour = timedelta(hours=1)
        assert journal.reserve(payment("a", "1"), ceilings=[ceiling(window=hour)], at=NOON).total == 4
        longer = ceiling(window=hour + timedelta(microseconds=1))
        assert journal.reserve(payment("b", "1"), ceilings=[longer], at=NOON).total == 12
        both = ceiling("5000", tools=("pay", "refund", "pay"), window=timedelta.max)
        assert journal.reserve(payment("c", "1"), ceilings=[both], at=NOON).total == 1012
        assert journal.reserve(payment("d"), ceilings=[ceiling("5", measure="targets")], at=NOON).total == 5

    def test_the_first_ceiling_that_is_passed_is_named(self, journal: Journal) -> None:
        ceilings = [ceiling("2000"), ceiling("500", name="second"), ceiling("100", name="third")]
        found = journal.reserve(payment(), ceilings=ceilings, at=NOON)
        assert (found.exceeded, found.total) == (ceilings[1], Decimal(999))

    @pytest.mark.parametrize(("limit", "value", "passing"), [("9999.90", "999.99", 10), ("10", "1", 10)])
    def test_many_at_once_never_pass_a_ceiling(self, journal: Journal, limit: str, value: str, passing: int) -> None:
        def want(number: int) -> bool:
            return journal.reserve(payment(str(number), value), ceilings=[ceiling(limit)], at=NOON).new

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(want, range(THREADS))) == passing
        assert len(journal.effects(scope=ADA)) == passing

    def test_many_that_fail_and_try_again_never_pass_a_ceiling(self, journal: Journal) -> None:
        def work(number: int) -> int:
            started = 0
            for _ in range(3):
                if journal.reserve(payment(str(number), "100"), ceilings=[ceiling("1000")], at=NOON).new:
                    started += 1
                    if number % 2:
                        journal.settle(str(number), state="failed", result=None, at=NOON)
            return started

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))
        standing = [one for one in journal.effects(scope=ADA) if one.state != "failed"]
        assert 0 < sum(one.amounts["value"] for one in standing) <= 1000

    @pytest.mark.parametrize("value", ["-0.01", "NaN", "Infinity", "1e15", "1.0000000001", "1e-30", "1e999999"])
    def test_amounts_that_do_not_add_up_are_refused(self, journal: Journal, value: str) -> None:
        with pytest.raises(InputError):
            journal.reserve(payment(value=value), ceilings=(), at=NOON)
        assert journal.effect("pay-1") is None

    def test_what_cannot_be_kept_is_refused(self, journal: Journal) -> None:
        for bad in ("a\0b", "a\ud800b"):
            for effect in (
                payment(bad),
                payment(tool=bad),
                payment(scope=Scope(user=bad)),
                payment(arguments_hash=bad),
            ):
                with pytest.raises(InputError):
                    journal.reserve(effect, ceilings=(), at=NOON)
        for effect in (payment(""), replace(payment(), amounts={"value": 1.5})):  # type: ignore[dict-item]  # the test
            with pytest.raises(InputError):
                journal.reserve(effect, ceilings=(), at=NOON)
        with pytest.raises(InputError):
            journal.reserve(payment(), ceilings=[ceiling("NaN")], at=NOON)
        journal.reserve(payment(), ceilings=(), at=NOON)
        with pytest.raises(InputError):
            journal.settle("pay-1", state="done", result="a\0b", at=NOON)
        assert [one.state for one in journal.effects(scope=Scope.any())] == ["started"]

    def test_effects_are_listed_in_the_order_they_started(self, journal: Journal) -> None:
        for key, seconds, run in (("a", 2, "run-1"), ("b", 1, "run-2"), ("c", 1, "run-1"), ("d", 3, "run-1")):
            journal.reserve(payment(key, run=run), ceilings=(), at=later(seconds))
        journal.settle("d", state="failed", result=None, at=later(4))
        journal.settle("b", state="failed", result=None, at=later(4))
        assert [one.key for one in journal.effects(scope=ADA)] == ["b", "c", "a", "d"]
        journal.reserve(payment("b", run="run-2"), ceilings=(), at=later(5))
        assert [one.key for one in journal.effects(scope=ADA)] == ["c", "a", "d", "b"]
        assert [one.key for one in journal.effects(scope=ADA, run="run-1")] == ["c", "a", "d"]
        assert [one.key for one in journal.effects(scope=ADA, state="started")] == ["c", "a", "b"]
        assert journal.effects(scope=ADA)[0] == journal.effect("c")
