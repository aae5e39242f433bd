"""What a run has done and spent, exactly, within its limits and those of the agents above it.

Everything is reserved before it begins and settled when it ended, in one ledger and all those above it at once or in
none. So the limits hold however many tasks and threads work at the same time.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import TYPE_CHECKING

from tercet.agents.consumption import Consumed, Gauge
from tercet.agents.prices import EXACT
from tercet.errors import ConfigurationError, InputError, LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tercet.agents.limits import Limits, Measure
    from tercet.agents.prices import Prices
    from tercet.records import Usage

Amount = int | Decimal
MEASURES: tuple[Measure, ...] = ("steps", "model_calls", "tool_calls", "tokens", "cost", "children")
"""What is added up."""


class Booking:
    """Amounts reserved in a ledger and those above it, until settled or given back. Made by ``Ledger.book``."""

    __slots__ = ("_amounts", "_ledger", "_open")

    def __init__(self, ledger: Ledger, amounts: Mapping[Measure, Amount]) -> None:
        self._ledger, self._amounts, self._open = ledger, amounts, True

    @property
    def open(self) -> bool:
        """Whether it is neither settled nor given back."""
        return self._open

    def settle(self) -> None:
        """It has begun: it counts for good. Settling or giving back twice does nothing."""
        self._ledger._close(self, self._amounts)

    def release(self) -> None:
        """Nothing was begun: it does not count."""
        self._ledger._close(self, {})


class ModelBooking(Booking):
    """A request to a model, reserved."""

    __slots__ = ("_model",)

    def __init__(self, ledger: Ledger, amounts: Mapping[Measure, Amount], model: str) -> None:
        super().__init__(ledger, amounts)
        self._model = model

    def settle(self, usage: Usage | None = None, *, failed: bool = False) -> None:
        """The request was answered, or failed, and the service said what it spent.

        What goes beyond the reservation is booked too: it is spent.

        Args:
            usage: By the service; None: nobody knows, so all that was reserved counts as spent.
            failed: There is no answer.
        """
        self._ledger._settle_model(self, self._model, usage, failed=failed)


class Meter:
    """What is booked by those who work under it; see ``metered``."""

    __slots__ = ("below", "ledger", "own")

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.own: dict[Measure, Amount] = {}
        """By the ledger itself."""
        self.below: dict[Measure, Amount] = {}
        """By the ledgers of agents below."""

    @property
    def total(self) -> dict[Measure, Amount]:
        """Both together."""
        measures = dict.fromkeys((*self.own, *self.below))
        return {one: _sum(self.own.get(one, 0), self.below.get(one, 0)) for one in measures}

    def add(self, ledger: Ledger, amounts: Mapping[Measure, Amount]) -> None:
        """Take what a ledger books."""
        booked = self.own if ledger is self.ledger else self.below
        for measure, amount in amounts.items():
            booked[measure] = _sum(booked.get(measure, 0), amount)


_METERS: ContextVar[tuple[Meter, ...]] = ContextVar("_METERS", default=())


@contextmanager
def metered(ledger: Ledger) -> Iterator[Meter]:
    """Tell apart what is booked from here, in the tasks and threads that come of it too, from what others book."""
    meter = Meter(ledger)
    token = _METERS.set((*_METERS.get(), meter))
    try:
        yield meter
    finally:
        _METERS.reset(token)


class Ledger:
    """Of one agent, within those of the agents above it; safe from several tasks and threads.

    Args:
        limits: Of this agent and all below it.
        agent: Whose they are, for messages.
        prices: By the name of the model, for limits of cost.
        monotonic: Tells seconds.
        consumed: By this agent and those below it before the run was suspended or its process died.

    Example:
        >>> from tercet.agents.limits import Limits
        >>> ledger = Ledger(Limits(tool_calls=1), agent="support")
        >>> ledger.book(tool_calls=1).settle()
        >>> ledger.remaining()["tool_calls"]
        0
        >>> ledger.book(tool_calls=1)
        Traceback (most recent call last):
        tercet.errors.LimitExceededError: The limit of 'support' is 1 tool_calls: 1 are used up. ...
    """

    def __init__(
        self,
        limits: Limits,
        *,
        agent: str,
        prices: Mapping[str, Prices] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        consumed: Consumed | None = None,
    ) -> None:
        self.limits, self.agent = limits, agent
        self.depth = 1
        self._prices = dict(prices or {})
        self._monotonic = monotonic
        self._lock = threading.Lock()  # one for the tree: a reservation is in all of its ledgers or in none
        self._path: tuple[Ledger, ...] = (self,)
        self._begin(consumed or Consumed())

    def _begin(self, consumed: Consumed) -> None:
        limits = self.limits
        self._limits: dict[Measure, Amount | None] = {
            "steps": limits.steps,
            "model_calls": limits.model_calls_allowed,
            "tool_calls": limits.tool_calls,
            "tokens": limits.tokens,
            "cost": limits.cost,
            "children": limits.children,
        }
        self._consumed: dict[Measure, Amount] = {measure: getattr(consumed, measure) for measure in MEASURES}
        self._reserved: dict[Measure, Amount] = dict.fromkeys(MEASURES, 0)
        self._usage, self._failed_usage = consumed.usage, consumed.failed_usage
        self._unknown_tokens, self._unpriced_tokens = consumed.unknown_tokens, consumed.unpriced_tokens
        self._began = self._monotonic() - consumed.seconds
        self._waited = 0.0
        self._waits, self._wait_began = 0, 0.0

    # -- what is reserved ------------------------------------------------------------------------------------------

    def book(self, *, steps: int = 0, model_calls: int = 0, tool_calls: int = 0) -> Booking:
        """Reserve, here and in all ledgers above, or in none.

        Raises:
            LimitExceededError: A limit would be passed, or the time is over.
        """
        amounts: dict[Measure, Amount] = {"steps": steps, "model_calls": model_calls, "tool_calls": tool_calls}
        wanted = {measure: amount for measure, amount in amounts.items() if amount}
        if min(amounts.values()) < 0:
            raise InputError(f"Less than nothing cannot be reserved: {amounts}.", remedy="Give amounts of at least 0.")
        with self._lock:
            self._reserve(wanted)
        return Booking(self, wanted)

    def book_model_call(self, model: str, *, input_tokens: int, max_tokens: int) -> ModelBooking:
        """Reserve one request to a model, with the tokens and the cost that it may come to.

        Args:
            model: Its full name, as the prices have it.
            input_tokens: Estimate of the whole request.
            max_tokens: Of the answer.

        Raises:
            LimitExceededError: A limit would be passed, or the time is over. The request must not be sent.
            ConfigurationError: Cost is limited, and the model has no price.
        """
        if input_tokens < 0 or max_tokens < 1:
            raise InputError(f"A request has no {input_tokens} tokens, nor an answer {max_tokens}.", remedy="Count.")
        amounts: dict[Measure, Amount] = {"model_calls": 1, "tokens": input_tokens + max_tokens}
        prices = self._prices.get(model)
        if prices is not None:
            amounts["cost"] = prices.most(input_tokens, max_tokens)
        elif any(ledger.limits.cost is not None for ledger in self._path):
            raise ConfigurationError(
                f"The cost of {self.agent!r} is limited, and {model!r} has no price.", remedy="Give prices for it."
            )
        with self._lock:
            self._reserve(amounts)
        return ModelBooking(self, amounts, model)

    def child(
        self,
        limits: Limits,
        *,
        agent: str,
        prices: Mapping[str, Prices] | None = None,
        consumed: Consumed | None = None,
    ) -> Ledger:
        """A ledger for an agent below this one.

        Args:
            limits: Of that agent; those of the agents above hold beside them.
            agent: Who it is.
            prices: Of models that this agent does not know, or has at other prices.
            consumed: Given when the child's run is resumed: the figures of the ledgers above hold it already.

        Raises:
            LimitExceededError: There would be too many agents, or too many below one another; or the time is over.
        """
        known = {**self._prices, **(prices or {})}
        made = Ledger(limits, agent=agent, prices=known, monotonic=self._monotonic, consumed=consumed)
        with self._lock:
            for ledger in self._path:
                deep = self.depth - ledger.depth + 1
                if deep + 1 > ledger.limits.depth:
                    raise _refusal(ledger, "depth", deep, 0, ledger.limits.depth, final=True)
            if consumed is None:
                self._reserve({"children": 1})
                self._move({"children": 1}, {"children": 1})
            made._lock, made._path, made.depth = self._lock, (made, *self._path), self.depth + 1
        return made

    def take_over(self, amounts: Mapping[Measure, Amount]) -> None:
        """Book what was consumed elsewhere, such as in the run that is replayed; nothing is refused."""
        with self._lock:
            self._move({}, amounts)

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def seconds_left(self) -> float | None:
        """Until the first deadline, of this agent or one above it; None: there is none."""
        with self._lock:
            now = self._monotonic()
            left = [one.limits.seconds - one._elapsed(now) for one in self._path if one.limits.seconds is not None]
            return max(min(left), 0.0) if left else None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While a person is waited for, the time of this agent and of those above it stands still."""
        with self._lock:
            now = self._monotonic()
            for ledger in self._path:
                if not ledger._waits:
                    ledger._wait_began = now
                ledger._waits += 1
        try:
            yield
        finally:
            with self._lock:
                now = self._monotonic()
                for ledger in self._path:
                    ledger._waits -= 1
                    if not ledger._waits:
                        ledger._waited += now - ledger._wait_began

    def _elapsed(self, now: float) -> float:
        return (self._wait_began if self._waits else now) - self._began - self._waited

    # -- what is told ----------------------------------------------------------------------------------------------

    @property
    def consumed(self) -> Consumed:
        """By this agent and those below it."""
        with self._lock:
            return Consumed(
                steps=int(self._consumed["steps"]),
                model_calls=int(self._consumed["model_calls"]),
                tool_calls=int(self._consumed["tool_calls"]),
                usage=self._usage,
                failed_usage=self._failed_usage,
                unknown_tokens=self._unknown_tokens,
                cost=Decimal(self._consumed["cost"]),
                unpriced_tokens=self._unpriced_tokens,
                seconds=self._elapsed(self._monotonic()),
                children=int(self._consumed["children"]),
            )

    @property
    def spent(self) -> Usage:
        """Tokens of all requests of this agent and those below it, failed ones included; each is counted once."""
        return self.consumed.spent

    def gauges(self) -> tuple[Gauge, ...]:
        """How far each limit of this agent is used up; ``depth`` by the agents above it and itself."""
        with self._lock:
            return tuple(self._gauges(self._monotonic()))

    def remaining(self) -> dict[Measure, Decimal | float | None]:
        """How much may still be reserved here, by the tightest limit of this agent and those above it; None: any."""
        left: dict[Measure, Decimal | float | None] = {}
        with self._lock:
            now = self._monotonic()
            for ledger in self._path:
                for gauge in ledger._gauges(now, depth=self.depth - ledger.depth + 1):
                    known = left.setdefault(gauge.measure, gauge.remaining)
                    if gauge.remaining is not None and (known is None or gauge.remaining < known):
                        left[gauge.measure] = gauge.remaining
        return left

    def _gauges(self, now: float, *, depth: int = 1) -> Iterator[Gauge]:
        for measure in MEASURES:
            consumed, reserved, limit = self._consumed[measure], self._reserved[measure], self._limits[measure]
            left = None if limit is None else max(_difference(limit, _sum(consumed, reserved)), 0)
            yield Gauge(measure=measure, consumed=consumed, reserved=reserved, limit=limit, remaining=left)
        seconds, elapsed = self.limits.seconds, self._elapsed(now)
        time_left = None if seconds is None else max(seconds - elapsed, 0.0)
        yield Gauge(measure="seconds", consumed=elapsed, reserved=0, limit=seconds, remaining=time_left)
        deepest = self.limits.depth
        yield Gauge(measure="depth", consumed=depth, reserved=0, limit=deepest, remaining=max(deepest - depth, 0))

    # -- under the lock --------------------------------------------------------------------------------------------

    def _reserve(self, amounts: Mapping[Measure, Amount]) -> None:
        now = self._monotonic()
        for ledger in self._path:
            allowed = ledger.limits.seconds
            if allowed is not None and (elapsed := ledger._elapsed(now)) >= allowed:
                raise _refusal(ledger, "seconds", elapsed, 0, allowed, final=True)
            for measure, amount in amounts.items():
                limit = ledger._limits[measure]
                if limit is None:
                    continue
                consumed, reserved = ledger._consumed[measure], ledger._reserved[measure]
                least = _sum(consumed, amount)
                if _sum(least, reserved) > limit:
                    raise _refusal(ledger, measure, consumed, reserved, limit, final=least > limit)
        for ledger in self._path:
            for measure, amount in amounts.items():
                ledger._reserved[measure] = _sum(ledger._reserved[measure], amount)

    def _move(self, reserved: Mapping[Measure, Amount], consumed: Mapping[Measure, Amount]) -> None:
        for ledger in self._path:
            for measure, amount in reserved.items():
                ledger._reserved[measure] = _difference(ledger._reserved[measure], amount)
            for measure, amount in consumed.items():
                ledger._consumed[measure] = _sum(ledger._consumed[measure], amount)
        for meter in _METERS.get():
            meter.add(self, consumed)

    def _close(self, booking: Booking, consumed: Mapping[Measure, Amount]) -> None:
        with self._lock:
            if booking._open:
                booking._open = False
                self._move(booking._amounts, consumed)

    def _settle_model(self, booking: ModelBooking, model: str, usage: Usage | None, *, failed: bool) -> None:
        prices = self._prices.get(model)
        consumed = dict(booking._amounts)
        if usage is not None:
            consumed["tokens"] = usage.total_tokens
            if prices is not None:
                consumed["cost"] = prices.cost(usage)
        with self._lock:
            if not booking._open:
                return
            booking._open = False
            self._move(booking._amounts, consumed)
            tokens = int(consumed["tokens"])
            for ledger in self._path:
                if usage is None:
                    ledger._unknown_tokens += tokens
                elif failed:
                    ledger._failed_usage = ledger._failed_usage + usage
                else:
                    ledger._usage = ledger._usage + usage
                if prices is None:
                    ledger._unpriced_tokens += tokens


def _sum(one: Amount, other: Amount) -> Amount:
    if type(one) is int and type(other) is int:
        return one + other
    return EXACT.add(Decimal(one), Decimal(other))


def _difference(one: Amount, other: Amount) -> Amount:
    if type(one) is int and type(other) is int:
        return one - other
    return EXACT.subtract(Decimal(one), Decimal(other))


def _refusal(
    ledger: Ledger,
    which: Measure,
    consumed: Decimal | float,
    reserved: Decimal | float,
    limit: Decimal | float,
    *,
    final: bool,
) -> LimitExceededError:
    promised = f", and {reserved} are reserved" if reserved else ""
    return LimitExceededError(
        f"The limit of {ledger.agent!r} is {limit} {which}: {_shown(consumed)} are used up{promised}.",
        which=which,
        consumed=consumed,
        reserved=reserved,
        limit=limit,
        agent=ledger.agent,
        final=final,
        remedy="Finish with what is there." if final else "Wait for what is under way.",
    )


def _shown(amount: Decimal | float) -> str:
    return f"{amount:.1f}" if isinstance(amount, float) else str(amount)
