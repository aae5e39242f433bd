"""Calls as loops are told by: the same call, however it is spelt, and the same result."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tercet.agents.gate.untrusted import excerpt
from tercet.agents.tools.records import Succeeded
from tercet.errors import InputError
from tercet.memory.patches import canonical, text_hash

if TYPE_CHECKING:
    from tercet.agents.gate.records import RunState
    from tercet.agents.tools.records import Call, Outcome

_LONGEST_ARGUMENTS = 200
_LONGEST_RESULT = 200
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A call by one of the agents of a task."""

    action: str
    """Hash of the tool and its arguments in one spelling."""
    tool: str
    changes: bool
    turn: tuple[str, int]
    """Run and step: calls of one turn do not know of each other."""
    step: int
    agent: str
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, call: Call, run: RunState) -> Attempt:
        """The attempt that a call is."""
        try:
            spelt = canonical(_one_spelling(call.arguments))
        except (RecursionError, InputError):  # no JSON: it was refused
            spelt = repr(call.arguments)
        return cls(
            action=text_hash(ascii((call.name, spelt))),
            tool=call.name,
            changes=call.tool is not None and call.tool.changes,
            turn=(run.run, call.step),
            step=call.step,
            agent=run.agent,
            arguments=call.arguments,
        )


def same_call(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two calls of a tool have the same arguments, however they are spelt.

    Example:
        >>> same_call({"query": "Rotate  keys", "limit": 5}, {"limit": 5.0, "query": "rotate keys "})
        True
    """
    return canonical(_one_spelling(one)) == canonical(_one_spelling(other))


def result_of(outcome: Outcome) -> str:
    """Hash of what a call came to."""
    if isinstance(outcome, Succeeded):
        pieces = [[source.id, list(source.pieces)] for source in outcome.sources]
        return text_hash(canonical(["succeeded", outcome.value, pieces]))
    return text_hash(canonical([outcome.kind, _NUMBER.sub("#", outcome.reason)]))  # times and ports differ


def shown(attempt: Attempt, outcome: Outcome) -> str:
    """A line for a person."""
    text = json.dumps(outcome.value, ensure_ascii=False) if isinstance(outcome, Succeeded) else outcome.reason
    arguments = excerpt(repr(attempt.arguments), limit=_LONGEST_ARGUMENTS)
    call = f"step {attempt.step}, {attempt.agent}: {excerpt(attempt.tool, limit=100)}({arguments})"
    return f"{call} → {outcome.kind}: {excerpt(text, limit=_LONGEST_RESULT)}"


def _one_spelling(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return " ".join(value.casefold().split())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _one_spelling(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_one_spelling(one) for one in value]
    return value
