"""Makes the ends of a run, and what the journal has of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tercet.agents.ends import Answer, Escalated, Impossible, LimitReached
from tercet.agents.events import RunEnded, RunFailed
from tercet.errors import LimitExceededError, RunError

if TYPE_CHECKING:
    from tercet.agents.conversation import Conversation
    from tercet.agents.ends import End
    from tercet.agents.gate.records import RunState
    from tercet.agents.tools.control import Finish
    from tercet.models.chat_records import ChatResponse

Output = TypeVar("Output")


class Endings(Generic[Output]):
    """The ends of one run, as its state has them.

    Args:
        state: What the gate knows of the run.
        conversation: Its state.
        instructions: Name, version and hash of those it has.
    """

    def __init__(self, state: RunState, conversation: Conversation, *, instructions: str) -> None:
        self._state = state
        self._conversation = conversation
        self._instructions = instructions

    def answer(self, finish: Finish[Output], response: ChatResponse) -> Answer[Output]:
        """The answer, with what it rests on: what the model quotes, and all of what it cites without quoting."""
        sources = self._conversation.sources
        quotes = {
            (quote.source_id, quote.text): sources[quote.source_id].quote(
                quote.start_piece, quote.end_piece, quote.text
            )
            for quote in response.citations
        }
        quoted = {source_id for source_id, _ in quotes}
        whole = (sources[cited].quote() for cited in dict.fromkeys(finish.citations) if cited not in quoted)
        return Answer(
            **self.common(), output=finish.output, confidence=finish.confidence, quotes=(*quotes.values(), *whole)
        )

    def limit_reached(self, error: LimitExceededError) -> LimitReached:
        """A limit refused what would pass it."""
        response = self._conversation.response
        return LimitReached(
            **self.common(),
            which=error.which,
            consumed=str(error.consumed),
            limit=str(error.limit),
            partial=response.text if response else "",
        )

    def time_is_up(self) -> LimitReached:
        """The run took longer than it may."""
        seconds = next(gauge for gauge in self._state.ledger.gauges() if gauge.measure == "seconds")
        error = LimitExceededError(
            "The time is over.",
            which="seconds",
            consumed=round(float(seconds.consumed), 3),
            reserved=0,
            limit=seconds.limit or 0,
            agent=self._state.agent,
        )
        return self.limit_reached(error)

    def common(self) -> dict[str, Any]:
        """What all ends say."""
        consumed = self._state.ledger.consumed
        return {
            "run": self._state.run,
            "agent": self._state.agent,
            "steps": self._conversation.step,
            "usage": consumed.spent,
            "cost": None if consumed.unpriced_tokens else consumed.cost,
            "context": self._conversation.context,
            "instructions": self._instructions,
        }

    def event_of(self, end: End[Output]) -> RunEnded:
        """The end, for the journal."""
        detail: dict[str, Any] = {}
        match end:
            case Answer():
                detail = {"confidence": end.confidence, "citations": [quote.source_id for quote in end.quotes]}
            case Impossible():
                detail = {"evidence": end.evidence}
            case LimitReached():
                detail = {"which": end.which, "consumed": end.consumed, "limit": end.limit}
            case Escalated():
                detail = {"approval": end.approval, "evidence": end.evidence}
            case _:
                pass
        return RunEnded(
            end=end.kind,
            step=end.steps,
            detail=detail,
            usage=end.usage,
            cost=end.cost,
            texts=(end.text,),
        )

    def failure(self, error: BaseException) -> RunFailed:
        """The error, for the journal."""
        consumed = self._state.ledger.consumed
        return RunFailed(
            step=self._conversation.step,
            error=type(error).__name__,
            reason=str(error),
            usage=consumed.spent,
            cost=None if consumed.unpriced_tokens else consumed.cost,
        )

    def untyped(self, error: Exception) -> RunError:
        """An error that is none of ours, as one."""
        return RunError(
            f"Run {self._state.run} of agent {self._state.agent!r} failed: {type(error).__name__}: {error}.",
            remedy=f"`tercet runs explain {self._state.run} --any` shows where.",
            run=self._state.run,
            usage=self._state.ledger.spent,
        )
