"""The tools by which a model ends a run or hands it to a person: the loop takes them itself, they never pass the gate.

A run is finished by calling ``finish``, and by nothing that stands in a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import AfterValidator, Field, TypeAdapter

from tercet.agents.tools.schema import is_closed, json_schema, object_of, read_json
from tercet.errors import InputError
from tercet.models.chat_records import ToolDefinition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Output = TypeVar("Output")

ControlName = Literal["finish", "impossible", "ask_user", "escalate"]
CONTROL_NAMES: frozenset[str] = frozenset(get_args(ControlName))
"""No tool of an agent may be called like one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Generic[Output]):
    """The model has the answer."""

    output: Output
    """Of the type that the agent promises."""
    confidence: float
    """Its own estimate, from 0 to 1."""
    citations: tuple[str, ...] = ()
    """Ids of the sources that the output rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareImpossible:
    """The model says that the goal cannot be reached."""

    reason: str
    evidence: tuple[str, ...]
    """What it has seen that shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskUser:
    """The model needs to know something that only the user can say."""

    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """The model wants a person to decide."""

    reason: str


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it is blank")
    return text


Text = Annotated[str, AfterValidator(_not_blank)]
_REASON = Annotated[Text, Field(description="Why, in one or two sentences.")]

_DESCRIPTIONS: Mapping[str, str] = {
    "finish": "End the task with its result. This is the only way to give an answer: text beside it is not read.",
    "impossible": "End the task because it cannot be done: what it needs is not there, or it contradicts itself. "
    "Not for what merely failed once.",
    "ask_user": "Ask the user something that the task cannot be done without and that nothing else can tell. "
    "The task waits for the answer.",
    "escalate": "Hand the task to a person who has to decide, such as where you are not permitted to go on.",
}


class ControlTools(Generic[Output]):
    """The control tools of an agent that promises outputs of some type.

    Args:
        output: Anything that pydantic can check and JSON can say: ``str``, a model, a dataclass, ``list[int]`` …

    Raises:
        ConfigurationError: JSON cannot say an output.

    Example:
        >>> controls = ControlTools(list[int])
        >>> [one.name for one in controls.definitions]
        ['finish', 'impossible', 'ask_user', 'escalate']
        >>> controls.read("finish", {"output": [1, 2], "confidence": 0.9, "citations": []})
        Finish(output=[1, 2], confidence=0.9, citations=())
    """

    def __init__(self, output: type[Output] | Any) -> None:  # noqa: ANN401 -- list[int] is no type to a checker
        self._field = "text" if output is str else "output"
        """What the output is called; a text is best asked for as one."""
        self._adapters: dict[str, TypeAdapter[Any]] = {
            name: object_of(fields, name=name) for name, fields in self._fields(output).items()
        }
        self.definitions: tuple[ToolDefinition, ...] = tuple(
            _definition(name, adapter) for name, adapter in self._adapters.items()
        )
        """As the model is told, always in this order."""

    def read(
        self, name: str, arguments: Mapping[str, Any], *, sources: Collection[str] | None = None
    ) -> Finish[Output] | DeclareImpossible | AskUser | Escalate:
        """What a control call says.

        Args:
            name: Of the tool.
            arguments: As the model gave them.
            sources: Ids of the sources that it was given; None: citations are not checked.

        Raises:
            InputError: There is no such control tool, or the arguments do not fit; the message tells the model what to
                correct.
        """
        if name not in self._adapters:
            raise InputError(f"{name!r} is no control tool.", remedy=f"Call one of {', '.join(self._adapters)}.")
        read = read_json(self._adapters[name], dict(arguments), f"The arguments of {name!r}")
        if name == "finish":
            return self._finish(read, sources)
        if name == "impossible":
            return DeclareImpossible(reason=read["reason"], evidence=tuple(read["evidence"]))
        if name == "ask_user":
            return AskUser(question=read["question"])
        return Escalate(reason=read["reason"])

    def _finish(self, read: Mapping[str, Any], sources: Collection[str] | None) -> Finish[Output]:
        citations = tuple(dict.fromkeys(read["citations"]))
        unknown = [] if sources is None else [one for one in citations if one not in sources]
        if unknown:
            raise InputError(
                f"The arguments of 'finish' do not fit: citations: {unknown[0]!r} is no source that you were given.",
                remedy="Cite by the ids of sources, or leave the list empty.",
            )
        return Finish(output=read[self._field], confidence=read["confidence"], citations=citations)

    def _fields(self, output: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 -- a type
        result = Text if output is str else output
        return {
            "finish": {
                self._field: Annotated[result, Field(description="The result.")],
                "confidence": Annotated[
                    float, Field(ge=0, le=1, strict=True, description="How sure you are that it is right, 0 to 1.")
                ],
                "citations": Annotated[
                    list[str], Field(description="Ids of the sources that the result rests on; empty if on none.")
                ],
            },
            "impossible": {
                "reason": _REASON,
                "evidence": Annotated[
                    list[Text], Field(min_length=1, description="What you have seen that shows it, each in a sentence.")
                ],
            },
            "ask_user": {"question": Annotated[Text, Field(description="One question, to be understood by itself.")]},
            "escalate": {"reason": _REASON},
        }


def _definition(name: str, adapter: TypeAdapter[Any]) -> ToolDefinition:
    parameters = json_schema(adapter, name=name)
    return ToolDefinition(
        name=name, description=_DESCRIPTIONS[name], parameters=parameters, strict=is_closed(parameters)
    )
