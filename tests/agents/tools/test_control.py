from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pytest
from anthropic import transform_schema
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from tercet.agents.tools.control import CONTROL_TOOLS, AskUser, Escalate, Finish, GiveUp, control_tools, read_control
from tercet.errors import ConfigurationError, InputError
from tercet.models.chat_records import ToolCallPart


class Invoice(BaseModel):
    model_config = ConfigDict(strict=True)

    number: int
    due: date
    kind: Literal["paid", "open"] = "open"


@dataclass
class Point:
    x: int
    y: int


def read(name: str, output: Any = str, /, **arguments: Any) -> Any:
    return read_control(ToolCallPart(id="1", name=name, arguments=arguments), output)


@pytest.mark.parametrize(
    ("output", "value", "expected"),
    [
        (str, "Rotate it.", "Rotate it."),
        (Invoice, {"number": 7, "due": "2026-11-21"}, Invoice(number=7, due=date(2026, 11, 21))),
        (Point, {"x": 1, "y": 2}, Point(1, 2)),
        (list[int], [1, 2], [1, 2]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (int | None, None, None),
        (bool, True, True),
        (Literal["yes", "no"], "yes", "yes"),
        (tuple[int, str], [1, "a"], (1, "a")),
        (Any, {"free": [1]}, {"free": [1]}),
    ],
)
def test_a_run_is_finished_by_a_call_with_an_output_of_any_type(output: Any, value: Any, expected: Any) -> None:
    """S2.32."""
    assert read("finish", output, output=value, confidence=1, citations=["1"]) == Finish(
        output=expected, confidence=1.0, citations=("1",)
    )
    definition = control_tools(output)[0]
    if definition.strict:
        assert transform_schema(dict(definition.parameters))["required"] == ["output", "confidence", "citations"]


def test_only_a_schema_that_leaves_nothing_open_is_strict() -> None:
    assert [one.strict for one in control_tools(Invoice)] == [True] * 4
    assert [one.strict for one in control_tools(dict[str, int])] == [False, True, True, True]


def test_the_other_ends() -> None:
    """S2.10, S2.11."""
    assert read("impossible", reason="No such key.", evidence="None is listed.") == GiveUp(
        reason="No such key.", evidence="None is listed."
    )
    assert read("ask_user", question="Which key?") == AskUser(question="Which key?")
    assert read("escalate", reason="Not mine to say.") == Escalate(reason="Not mine to say.")
    assert {one.name for one in control_tools(str)} == CONTROL_TOOLS


INVOICE = {"number": 7, "due": "2026-11-21"}


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("finish", {}, "output: Field required; confidence: Field required; citations: Field required"),
        (
            "finish",
            {"output": {"number": "7"}, "confidence": 1, "citations": []},
            "output.number: Input should be a valid",
        ),
        ("finish", {"output": INVOICE, "confidence": 1.1, "citations": []}, "confidence: "),
        ("finish", {"output": INVOICE, "confidence": True, "citations": []}, "confidence: "),
        ("finish", {"output": INVOICE, "confidence": "1", "citations": []}, "confidence: "),
        ("finish", {"output": INVOICE, "confidence": 1, "citations": None}, "citations: "),
        ("finish", {"output": INVOICE, "confidence": 1, "citations": [], "done": True}, "done: Extra inputs"),
        ("impossible", {"reason": " ", "evidence": "a"}, "reason: "),
        ("ask_user", {"question": ""}, "question: "),
        ("escalate", {"reason": 7}, "reason: Input should be a valid string"),
    ],
)
def test_what_does_not_fit_tells_the_model_what_to_correct(name: str, arguments: Any, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        read(name, Invoice, **arguments)

    assert problem in refused.value.message
    assert refused.value.remedy


def test_an_output_that_json_cannot_say_is_refused_at_once() -> None:
    class Opaque:
        pass

    with pytest.raises(ConfigurationError, match="cannot be asked of a model"):
        control_tools(Opaque)


@given(
    st.sampled_from(sorted(CONTROL_TOOLS)),
    st.dictionaries(
        st.sampled_from(["output", "confidence", "citations", "reason", "evidence", "question"]),
        st.recursive(
            st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text("ab "), st.lists, max_leaves=3
        ),
    ),
)
def test_any_arguments_are_read_or_refused(name: str, arguments: dict[str, Any]) -> None:
    try:
        wanted = read(name, **arguments)
    except InputError:
        return
    assert isinstance(wanted, (Finish, GiveUp, AskUser, Escalate))
