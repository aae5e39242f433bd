"""A ledger never lets more be done or spent than its limits and those above it allow, however many work at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from tercet.agents.consumption import Consumed
from tercet.agents.ledger import Booking, Ledger
from tercet.agents.limits import Limits
from tercet.agents.prices import Prices
from tercet.errors import ConfigurationError, InputError, LimitExceededError
from tercet.records import Usage

PRICES = {
    "dear": Prices(input=Decimal(3), cached_read=Decimal("0.3"), cache_write=Decimal("3.75"), output=Decimal(15)),
}
WIDE = Limits(steps=1000, tool_calls=None, tokens=None, seconds=None, depth=9, children=100)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("measure", ["steps", "model_calls", "tool_calls"])
def test_a_limit_of_three_allows_three_and_says_why_the_fourth_is_refused(measure: str) -> None:
    """S1.02, S2.45."""
    ledger = Ledger(Limits(**{"steps": 9, measure: 3}), agent="support")
    for _ in range(3):
        ledger.book(**{measure: 1}).settle()

    with pytest.raises(LimitExceededError) as refused:
        ledger.book(**{measure: 1})

    assert (refused.value.which, refused.value.consumed, refused.value.limit) == (measure, 3, 3)
    assert refused.value.agent == "support"
    assert refused.value.final
    assert ledger.remaining()[measure] == 0


def test_what_is_only_reserved_may_come_back_and_ends_no_run() -> None:
    ledger = Ledger(Limits(tool_calls=1), agent="support")
    booking = ledger.book(tool_calls=1)

    with pytest.raises(LimitExceededError) as refused:
        ledger.book(tool_calls=1)
    booking.release()

    assert not refused.value.final
    ledger.book(tool_calls=1).settle()
    assert ledger.consumed.tool_calls == 1


def test_settling_twice_or_after_giving_back_changes_nothing() -> None:
    ledger = Ledger(WIDE, agent="support")
    booking, model = ledger.book(tool_calls=1), ledger.book_model_call("m", input_tokens=10, max_tokens=10)
    for _ in range(2):
        booking.settle()
        booking.release()
        model.settle(Usage(input_tokens=7))
        model.settle(None)

    assert ledger.consumed.tool_calls == 1
    assert ledger.consumed.tokens == 7
    assert all(gauge.reserved == 0 for gauge in ledger.gauges())


def test_the_tree_stops_at_the_steps_of_its_first_agent() -> None:
    """S1.36: N steps in total, not N for each agent."""
    root = Ledger(Limits(steps=7), agent="orchestrator")
    agents = [root, *(root.child(Limits(steps=5), agent=f"worker {number}") for number in range(3))]
    taken = 0
    for _ in range(5):
        for agent in agents:
            with suppress(LimitExceededError):
                agent.book(steps=1).settle()
                taken += 1

    assert taken == 7
    assert root.consumed.steps == 7
    assert sum(agent.consumed.steps for agent in agents[1:]) < 7


def test_what_does_not_fit_above_is_reserved_nowhere() -> None:
    root = Ledger(Limits(tool_calls=1), agent="root")
    child = root.child(Limits(tool_calls=5), agent="child")
    root.book(tool_calls=1).settle()

    with pytest.raises(LimitExceededError) as refused:
        child.book(tool_calls=1)

    assert refused.value.agent == "root"
    assert child.remaining()["tool_calls"] == 0
    assert {gauge.measure: gauge.reserved for gauge in child.gauges()}["tool_calls"] == 0


@pytest.mark.parametrize(("depth", "children"), [(3, 16), (9, 4)])
def test_an_agent_that_spawns_agents_without_end_stops_at_the_cap(depth: int, children: int) -> None:
    """S1.42, S2.34."""
    root = Ledger(Limits(depth=depth, children=children), agent="spawner")
    made, newest = [root], root
    for _ in range(50):
        try:
            newest = newest.child(WIDE, agent="spawner")
        except LimitExceededError:
            newest = root
        else:
            made.append(newest)

    assert max(ledger.depth for ledger in made) <= depth
    assert len(made) - 1 == root.consumed.children == children


def test_a_child_may_not_go_deeper_than_its_own_limit_says() -> None:
    root = Ledger(WIDE, agent="root")
    child = root.child(Limits(depth=1), agent="child")

    with pytest.raises(LimitExceededError) as refused:
        child.child(WIDE, agent="grandchild")

    assert (refused.value.which, refused.value.agent) == ("depth", "child")
    assert root.consumed.children == 1


def test_a_request_that_could_pass_the_limit_of_tokens_is_not_sent() -> None:
    """S2.50."""
    ledger = Ledger(Limits(tokens=1000), agent="support")
    ledger.book_model_call("m", input_tokens=500, max_tokens=100).settle(Usage(input_tokens=480, output_tokens=20))

    with pytest.raises(LimitExceededError) as refused:
        ledger.book_model_call("m", input_tokens=401, max_tokens=100)

    assert (refused.value.which, refused.value.consumed) == ("tokens", 500)
    ledger.book_model_call("m", input_tokens=400, max_tokens=100)
    assert ledger.remaining()["tokens"] == 0


def test_spent_is_what_the_service_said_also_for_failures_and_beyond_the_reservation() -> None:
    root = Ledger(WIDE, agent="root", prices=PRICES)
    child = root.child(WIDE, agent="child")
    child.book_model_call("dear", input_tokens=10, max_tokens=10).settle(Usage(input_tokens=30, output_tokens=5))
    child.book_model_call("dear", input_tokens=10, max_tokens=10).settle(Usage(input_tokens=4), failed=True)
    root.book_model_call("other", input_tokens=10, max_tokens=10).settle(Usage(output_tokens=1))

    assert root.spent == Usage(input_tokens=34, output_tokens=6)
    assert root.consumed.failed_usage == Usage(input_tokens=4)
    assert root.consumed.cost == child.consumed.cost == PRICES["dear"].cost(Usage(input_tokens=34, output_tokens=5))
    assert (root.consumed.unpriced_tokens, child.consumed.unpriced_tokens) == (1, 0)
    assert root.consumed.model_calls == 3


def test_a_request_of_which_nobody_knows_what_it_spent_counts_as_reserved_but_is_not_reported_as_usage() -> None:
    ledger = Ledger(Limits(tokens=100), agent="support")
    ledger.book_model_call("m", input_tokens=50, max_tokens=30).settle(None)

    assert ledger.spent == Usage()
    assert ledger.consumed.unknown_tokens == 80
    assert ledger.remaining()["tokens"] == 20


def test_cost_is_reserved_at_the_dearest_price_and_refused_without_one() -> None:
    ledger = Ledger(Limits(cost=Decimal("0.003")), agent="support", prices=PRICES)

    with pytest.raises(ConfigurationError, match="no price"):
        ledger.book_model_call("unknown", input_tokens=1, max_tokens=1)
    with pytest.raises(LimitExceededError) as refused:
        ledger.book_model_call("dear", input_tokens=760, max_tokens=11)  # 760 * 3.75 + 11 * 15 = 3015 millionths

    assert refused.value.which == "cost"
    ledger.book_model_call("dear", input_tokens=760, max_tokens=10).settle(Usage(input_tokens=760, output_tokens=10))
    assert ledger.consumed.cost == Decimal("0.00243")


def test_a_child_may_know_prices_of_its_own() -> None:
    root = Ledger(Limits(cost=Decimal(1)), agent="root")
    child = root.child(WIDE, agent="child", prices=PRICES)
    child.book_model_call("dear", input_tokens=10, max_tokens=10).settle(Usage(input_tokens=10))

    assert root.consumed.cost == Decimal("0.00003")


def test_time_runs_out_for_the_agent_and_those_below_it_but_not_while_a_person_is_waited_for() -> None:
    """Part of S1.01."""
    clock = Clock()
    root = Ledger(Limits(seconds=10), agent="root", monotonic=clock)
    child = root.child(Limits(seconds=None), agent="child")
    clock.now += 4
    with child.waiting():
        clock.now += 1000
        with root.waiting():
            clock.now += 1000
    clock.now += 5

    assert child.seconds_left == root.seconds_left == 1
    child.book(steps=1).settle()
    clock.now += 1
    with pytest.raises(LimitExceededError) as refused:
        child.book(steps=1)
    assert (refused.value.which, refused.value.consumed, refused.value.agent) == ("seconds", 10, "root")
    with pytest.raises(LimitExceededError):
        root.child(WIDE, agent="late")


def test_a_resumed_run_goes_on_where_it_stopped() -> None:
    clock = Clock()
    first = Ledger(Limits(tool_calls=3, seconds=10), agent="root", monotonic=clock, prices=PRICES)
    worker = first.child(Limits(tool_calls=2), agent="child")
    worker.book(tool_calls=1).settle()
    worker.book_model_call("dear", input_tokens=9, max_tokens=9).settle(Usage(input_tokens=9, output_tokens=2))
    clock.now += 6
    before, below = first.consumed, worker.consumed
    clock.now += 1000

    again = Ledger(first.limits, agent="root", monotonic=clock, prices=PRICES, consumed=before)
    child = again.child(worker.limits, agent="child", consumed=below)

    assert again.consumed == before
    assert child.consumed == below
    assert again.seconds_left == 4
    child.book(tool_calls=1).settle()
    with pytest.raises(LimitExceededError):
        child.book(tool_calls=1)
    again.book(tool_calls=1).settle()
    with pytest.raises(LimitExceededError):
        again.book(tool_calls=1)


def test_nothing_negative_is_reserved() -> None:
    ledger = Ledger(WIDE, agent="support")

    with pytest.raises(InputError):
        ledger.book(tool_calls=-1)
    with pytest.raises(InputError):
        ledger.book_model_call("m", input_tokens=-5, max_tokens=1)


def test_remaining_and_gauges_say_the_same_as_what_may_be_reserved() -> None:
    """S2.46."""
    ledger = Ledger(Limits(tool_calls=4, cost=Decimal(2)), agent="support")
    ledger.book(tool_calls=1).settle()
    ledger.book(tool_calls=2)

    gauges = {gauge.measure: gauge for gauge in ledger.gauges()}

    assert set(gauges) == set(ledger.remaining())
    calls = gauges["tool_calls"]
    assert (calls.consumed, calls.reserved, calls.limit, calls.remaining) == (1, 2, 4, 1)
    assert ledger.remaining()["cost"] == 2
    assert Ledger(Limits(tool_calls=None), agent="free").remaining()["tool_calls"] is None


@pytest.mark.parametrize("limit", [3, 5, 9])
def test_64_threads_in_a_tree_begin_exactly_as_many_tool_calls_as_allowed(limit: int) -> None:
    """S2.45: no overshoot, whoever calls, at whatever depth."""
    root = Ledger(Limits(tool_calls=limit, depth=3, children=64), agent="root")
    workers = [root.child(WIDE, agent=f"worker {number}") for number in range(32)]
    workers += [worker.child(WIDE, agent="below") for worker in workers]
    together = threading.Barrier(64)

    def call(worker: Ledger) -> int:
        together.wait()
        done = 0
        for _ in range(20):
            with suppress(LimitExceededError):
                booking = worker.book(tool_calls=1)
                done += 1
                booking.settle()
        return done

    with ThreadPoolExecutor(64) as threads:
        done = sum(threads.map(call, workers))

    assert done == root.consumed.tool_calls == limit
    assert sum(worker.consumed.tool_calls for worker in workers[:32]) == limit


class Tree(RuleBasedStateMachine):
    """Any order of reserving, settling and giving back, in a growing tree."""

    ledgers = Bundle("ledgers")
    bookings = Bundle("bookings")

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Ledger] = []
        self.parents: list[int | None] = []
        self.own: list[Consumed] = []

    @rule(target=ledgers, tools=st.integers(0, 6), tokens=st.integers(1, 400))
    def root(self, tools: int, tokens: int) -> object:
        if self.all:
            return multiple()
        return self._add(
            Ledger(
                Limits(tool_calls=tools, tokens=tokens, cost=Decimal("0.002"), children=5, depth=3),
                agent="root",
                prices=PRICES,
            ),
            None,
        )

    def _add(self, ledger: Ledger, parent: int | None) -> int:
        self.all.append(ledger)
        self.parents.append(parent)
        self.own.append(Consumed())
        return len(self.all) - 1

    @rule(target=ledgers, parent=ledgers, tools=st.one_of(st.none(), st.integers(0, 4)), depth=st.integers(1, 3))
    def spawn(self, parent: int, tools: int | None, depth: int) -> object:
        try:
            child = self.all[parent].child(Limits(tool_calls=tools, depth=depth), agent="child")
        except LimitExceededError:
            return multiple()
        own = self.own[parent]
        self.own[parent] = _plus(own, Consumed(children=1))
        return self._add(child, parent)

    @rule(target=bookings, ledger=ledgers, tools=st.integers(1, 2))
    def book(self, ledger: int, tools: int) -> object:
        try:
            return ledger, self.all[ledger].book(tool_calls=tools), Consumed(tool_calls=tools)
        except LimitExceededError:
            return multiple()

    @rule(target=bookings, ledger=ledgers, given=st.integers(0, 60), answer=st.integers(1, 60), part=st.fractions(0, 1))
    def ask(self, ledger: int, given: int, answer: int, part: object) -> object:
        try:
            booking = self.all[ledger].book_model_call("dear", input_tokens=given, max_tokens=answer)
        except LimitExceededError:
            return multiple()
        usage = Usage(input_tokens=int(given * part), output_tokens=int(answer * part))
        return ledger, booking, Consumed(model_calls=1, usage=usage, cost=PRICES["dear"].cost(usage))

    @rule(booking=consumes(bookings))
    def settle(self, booking: tuple[int, Booking, Consumed]) -> None:
        ledger, booked, amounts = booking
        booked.settle(amounts.usage) if amounts.model_calls else booked.settle()
        self.own[ledger] = _plus(self.own[ledger], amounts)

    @rule(booking=consumes(bookings))
    def give_back(self, booking: tuple[int, Booking, Consumed]) -> None:
        booking[1].release()

    @invariant()
    def no_limit_is_passed(self) -> None:
        for ledger in self.all:
            for gauge in ledger.gauges():
                assert gauge.limit is None or gauge.consumed + gauge.reserved <= gauge.limit
                assert gauge.reserved >= 0

    @invariant()
    def a_parent_has_consumed_what_it_and_its_children_have(self) -> None:
        for number, ledger in enumerate(self.all):
            total = self.own[number]
            for child, parent in enumerate(self.parents):
                if parent == number:
                    total = _plus(total, self.all[child].consumed)
            assert _plus(ledger.consumed, Consumed()) == total


def _plus(one: Consumed, other: Consumed) -> Consumed:
    return Consumed(
        model_calls=one.model_calls + other.model_calls,
        tool_calls=one.tool_calls + other.tool_calls,
        children=one.children + other.children,
        usage=one.usage + other.usage,
        cost=one.cost + other.cost,
    )


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
