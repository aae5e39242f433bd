"""The step that writes down what is about to change something outside, so that it happens at most once."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tercet.agents.gate.approval import LIFETIME
from tercet.agents.gate.asking import Question, ask, ceilings_told
from tercet.agents.gate.idempotency import arguments_hash, effect_key
from tercet.agents.gate.outcomes import kept, outcome_of
from tercet.agents.gate.writing import journalled
from tercet.agents.thresholds import amounts_of
from tercet.agents.tools.records import Failed, InDoubt, Refused, Succeeded
from tercet.errors import StoreError
from tercet.memory.journal.records import NewEffect, Reservation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome
    from tercet.memory.journal.records import Ceiling, EffectState


class EffectsStep:
    """Reserves an effect, spends the approval, lets the call be made, and writes down how it ended; in this order.

    - An effect that is there is not repeated: its result is given back, or it is in doubt.
    - An effect by which those of a window would come to more than a threshold allows is put before a person.
    - Whoever dies in between leaves the effect started, which is in doubt for whoever comes next.

    Args:
        lifetime: How long a person who is asked about a threshold has to decide.
    """

    name = "effects"

    def __init__(self, *, lifetime: timedelta = LIFETIME) -> None:
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._under_way: set[str] = set()

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Reserve, let it happen, settle."""
        assert call.tool is not None
        if not call.tool.changes:
            return await self._spend(call, run) or await then(call)
        effect = _effect(call, run)
        with self._lock:
            if effect.key in self._under_way:
                return Refused(
                    step=self.name, reason="The same effect is under way.", remedy="Wait for what the other call gives."
                )
            self._under_way.add(effect.key)
        try:
            return await self._once(effect, call, run, then)
        finally:
            with self._lock:
                self._under_way.discard(effect.key)

    async def _once(self, effect: NewEffect, call: Call, run: RunState, then: Then) -> Outcome:
        told = await self._told(call, run)
        ceilings = [one for one in self._ceilings(call, run) if one.name not in told]
        reservation: Reservation | None = None

        def reserve() -> Reservation:
            nonlocal reservation
            made = run.journal.reserve(effect, ceilings=ceilings, at=run.clock())
            if not isinstance(made, Reservation):
                raise StoreError(f"The journal gave {type(made).__name__} for a reservation.", remedy="Check it.")
            reservation = made
            return made

        try:
            reserved = await journalled(run.journal, reserve)
            if (exceeded := reserved.exceeded) is not None:
                note = (
                    f"{exceeded.name} would come to {reserved.total} within {exceeded.window}, above {exceeded.limit}"
                )
                question = Question(notes=(*call.notes, note), ceilings=(*told, exceeded.name))
                return await ask(question, call, run, lifetime=self._lifetime)
            if not reserved.new:
                return _there(reserved, effect)
            if (spent := await self._spend(call, run)) is not None:
                self._settle(effect.key, run, "failed", reason=spent.reason)
                return spent
            outcome = await then(call)
        except BaseException as error:
            # Written at once, in this thread: a cancelled task may not get to wait for another.
            if reservation is not None and reservation.new:
                begun = call.booking is None or not call.booking.open
                with suppress(Exception):  # then it stays started, which is in doubt too
                    self._settle(effect.key, run, "in_doubt" if begun else "failed", reason=type(error).__name__)
            raise
        await journalled(run.journal, lambda: self._end(effect.key, run, outcome))
        return outcome

    async def _spend(self, call: Call, run: RunState) -> Refused | None:
        """Use the approval up; a refusal if that was done before."""
        if not call.approval:
            return None
        if await journalled(run.journal, lambda: run.journal.use(call.approval, at=run.clock())) is True:
            return None
        return Refused(step=self.name, reason="The approval was spent, or has expired.", remedy="Ask for another.")

    @staticmethod
    def _ceilings(call: Call, run: RunState) -> Sequence[Ceiling]:
        assert call.tool is not None
        return run.permissions.ceilings(call.tool, run.tools.values())

    @staticmethod
    async def _told(call: Call, run: RunState) -> Sequence[str]:
        """Names of the ceilings that the person who approved the call was told of; they do not count for it."""
        if not call.approval:
            return ()
        record = await journalled(run.journal, lambda: run.journal.approval(call.approval, at=run.clock()))
        return ceilings_told(record)

    def _end(self, key: str, run: RunState, outcome: Outcome) -> None:
        if isinstance(outcome, Succeeded) or (isinstance(outcome, Failed) and outcome.error == "invalid_output"):
            run.journal.settle(key, state="done", result=kept(outcome), at=run.clock())
        elif isinstance(outcome, InDoubt):
            self._settle(key, run, "in_doubt", reason=outcome.reason)
        else:
            self._settle(key, run, "failed", reason=outcome.reason)

    @staticmethod
    def _settle(key: str, run: RunState, state: EffectState, *, reason: str) -> None:
        run.journal.settle(key, state=state, result=None, reason=reason, at=run.clock())


def _effect(call: Call, run: RunState) -> NewEffect:
    """What is about to happen.

    Raises:
        InputError: The tool's functions cannot say it.
    """
    assert call.tool is not None
    return NewEffect(
        key=effect_key(call, run),
        run=run.run,
        call=call.id,
        agent=run.agent,
        tool=call.name,
        scope=run.scope,
        arguments_hash=arguments_hash(call.arguments),
        amounts=amounts_of(call.tool, call.arguments),
    )


def _there(reserved: Reservation, effect: NewEffect) -> Outcome:
    """What a call comes to whose effect is there already."""
    known = reserved.effect
    assert known is not None
    if known.erased_at is None and known.arguments_hash != effect.arguments_hash:
        return Refused(
            step="effects",
            reason=f"An effect of {known.tool!r} with the same idempotency key was begun with other arguments.",
            remedy="Use another key for another effect.",
        )
    return outcome_of(known)
