"""The four tools by which a run ends or waits. The loop takes them itself: they reach nothing outside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from tercet.errors import ConfigurationError, InputError
from tercet.models.chat_records import ToolDefinition

if TYPE_CHECKING:
    from tercet.models.chat_records import ToolCallPart

Output = TypeVar("Output")

FINISH: Literal["finish"] = "finish"
IMPOSSIBLE: Literal["impossible"] = "impossible"
ASK_USER: Literal["ask_user"] = "ask_user"
ESCALATE: Literal["escalate"] = "escalate"
CONTROL_TOOLS = frozenset({FINISH, IMPOSSIBLE, ASK_USER, ESCALATE})
"""Names that no other tool may have."""

_Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Generic[Output]):
    """The model says that the task is done."""

    output: Output
    """Of the output type, checked."""
    confidence: float
    citations: tuple[str, ...]
    """Ids of sources, not yet looked up."""


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class GiveUp(_Arguments):
    """The model says that the task cannot be done."""

    reason: _Text = Field(description="Why the task cannot be done.")
    evidence: str = Field(description="What shows it: what you looked for and found, or did not.")


class AskUser(_Arguments):
    """The model cannot go on without an answer."""

    question: _Text = Field(description="One question, answerable by the user.")


class Escalate(_Arguments):
    """The model wants a person to decide."""

    reason: _Text = Field(description="What a person has to decide, and why.")


Control = Finish[Output] | GiveUp | AskUser | Escalate

_DESCRIPTIONS = {
    FINISH: "Complete the task with its output. Nothing else completes it.",
    IMPOSSIBLE: "Say that the task cannot be done, and why. Better than a guess.",
    ASK_USER: "Ask the user one question, and wait for the answer.",
    ESCALATE: "Put the matter before a person, and wait for the decision.",
}
_MODELS: dict[str, type[_Arguments]] = {IMPOSSIBLE: GiveUp, ASK_USER: AskUser, ESCALATE: Escalate}


@lru_cache(maxsize=256)  # making schemas takes as long as several steps of a run
def control_tools(output_type: type[Any]) -> tuple[ToolDefinition, ...]:
    """The definitions of the four, as the model is told.

    Args:
        output_type: Of the output that ``finish`` takes.

    Raises:
        ConfigurationError: No JSON schema can be made of it.

    Example:
        >>> [definition.name for definition in control_tools(str)]
        ['finish', 'impossible', 'ask_user', 'escalate']
    """
    models = {FINISH: _finish_model(output_type), **_MODELS}
    return tuple(
        ToolDefinition(name=name, description=_DESCRIPTIONS[name], parameters=_schema(model))
        for name, model in models.items()
    )


def read_control(call: ToolCallPart, output_type: type[Output]) -> Control[Output]:
    """What the model wants by a call of one of the four.

    Raises:
        InputError: Its arguments are not what they should be; the message is for the model to mend them by.
    """
    model = _finish_model(output_type) if call.name == FINISH else _MODELS[call.name]
    try:
        arguments = model.model_validate(dict(call.arguments))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False)[:10]
        )
        raise InputError(f"The arguments of `{call.name}` do not fit: {faults}.", remedy="Mend them.") from error
    if isinstance(arguments, GiveUp | AskUser | Escalate):
        return arguments
    given: Any = arguments
    return Finish(output=given.output, confidence=given.confidence, citations=tuple(given.citations))


@lru_cache(maxsize=256)
def _finish_model(output_type: type[Any]) -> type[BaseModel]:
    try:
        model = create_model(
            "Finish",
            __base__=_Arguments,
            output=(output_type, Field(description="What the task asked for.")),
            confidence=(
                float,
                Field(ge=0, le=1, allow_inf_nan=False, description="How sure you are that it is right, from 0 to 1."),
            ),
            citations=(
                list[str],
                Field(description="Ids of the sources that the output rests on; empty if it rests on none."),
            ),
        )
        TypeAdapter(model).json_schema()
    except Exception as error:  # pydantic raises errors of many kinds for types that it cannot take
        raise ConfigurationError(
            f"An output of type {output_type!r} cannot be asked of a model: {error}.",
            remedy="Use str, a pydantic model, a dataclass, or a list or union of such.",
        ) from error
    return model


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    schema.pop("title", None)
    schema.pop("description", None)
    return schema
