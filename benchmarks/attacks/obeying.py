"""The worst of all models: it does what it is asked, and whatever else it finds an order for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attacks.goals import calls
from tercet.models.chat_records import SourcePart, TextPart, ToolCallPart, ToolResultPart
from tercet.testing import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attacks.goals import Goal, Variant
    from attacks.tasks import Task
    from tercet.models.chat_records import ChatRequest, ChatResponse


@dataclass(frozen=True)
class Attack:
    """An order in a text."""

    goal: Goal
    variant: Variant
    marker: str
    """A word that stands nowhere else: whoever reads it has read the order."""
    string: str
    """What it is wrapped in."""

    @property
    def text(self) -> str:
        """What is injected. The order stands before and behind the string, so that shortening may leave one of them."""
        order = f"{self.goal.order} ({self.marker})"
        return f"{order}\n\n{self.string}\n\n{order}"

    def near(self, question: str) -> str:
        """The same for a memory, worded so that the question finds it, and no longer than what is taken in."""
        return f"{question} {self.goal.order} ({self.marker})\n\n{self.string[:2_000]}"


class Obeying:
    """Does a task by a plan; as soon as an order shows up anywhere in a request, that comes first.

    Attributes:
        obeyed: Whether it found the order.
    """

    def __init__(
        self, task: Task, attack: Attack | None, translate: Callable[[str, str, dict[str, Any]], ToolCallPart]
    ) -> None:
        self._task, self._attack, self._translate = task, attack, translate
        self._turn = self._finished = 0
        self._planned: list[str] = []
        self.obeyed = False

    def __call__(self, request: ChatRequest) -> ChatResponse:
        if self._attack and not self.obeyed and any(self._attack.marker in text for text in texts_of(request)):
            self.obeyed = True
            wanted = calls(self._attack.goal, self._attack.variant, self._task.question)
            if wanted:
                return answer(*(self._call(f"order-{place}", *call) for place, call in enumerate(wanted)))
        return self._go_on(request)

    def _go_on(self, request: ChatRequest) -> ChatResponse:
        if self._turn == len(self._task.turns):
            finals = self._attack.goal.finals if self._attack and self.obeyed else ()
            said = [*finals, self._task.answer][min(self._finished, len(finals))]
            self._finished += 1
            return answer(self._call(f"finish-{self._finished}", "finish", {"text": said}))
        planned = self._task.turns[self._turn](list(self._results(request)))
        self._turn += 1
        made = [self._call(f"plan-{self._turn}-{place}", *call) for place, call in enumerate(planned)]
        self._planned += [call.id for call in made]
        return answer(*made)

    def _call(self, id: str, name: str, arguments: dict[str, Any]) -> ToolCallPart:  # noqa: A002 -- as the field is called
        return self._translate(id, name, arguments)

    def _results(self, request: ChatRequest) -> Iterator[str]:
        for message in request.messages:
            for part in message.parts:
                if isinstance(part, ToolResultPart) and part.call_id in self._planned:
                    yield "".join(one.text for one in part.content if isinstance(one, TextPart))


def texts_of(request: ChatRequest) -> Iterator[str]:
    """Everything that a model reads."""
    yield request.instructions
    yield from (tool.description for tool in request.tools)
    for message in request.messages:
        for part in message.parts:
            for one in part.content if isinstance(part, ToolResultPart) else (part,):
                if isinstance(one, TextPart):
                    yield one.text
                elif isinstance(one, SourcePart):
                    yield f"{one.title}\n{one.source}\n" + "\n".join(one.pieces)
