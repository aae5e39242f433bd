from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pytest
from anthropic import transform_schema
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from tercet.agents.tools.control import (
    CONTROL_NAMES,
    AskUser,
    ControlTools,
    DeclareImpossible,
    Escalate,
    Finish,
)
from tercet.errors import ConfigurationError, InputError


class Invoice(BaseModel):
    model_config = ConfigDict(strict=True)

    number: int
    due: date
    kind: Literal["paid", "open"] = "open"


@dataclass
class Point:
    x: int
    y: int


def finish(controls: ControlTools[Any], **arguments: Any) -> Any:
    return controls.read("finish", {"confidence": 1, "citations": [], **arguments})


@pytest.mark.parametrize(
    ("output", "value", "expected"),
    [
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
    """Part of S2.32."""
    controls = ControlTools(output)

    assert finish(controls, output=value) == Finish(output=expected, confidence=1.0)
    definition = controls.definitions[0]
    if definition.strict:
        assert transform_schema(dict(definition.parameters))["required"] == ["output", "confidence", "citations"]


def test_only_a_schema_that_leaves_nothing_open_is_strict() -> None:
    assert [one.strict for one in ControlTools(Invoice).definitions] == [True] * 4
    assert [one.strict for one in ControlTools(dict[str, int]).definitions] == [False, True, True, True]


def test_a_text_is_asked_for_as_text() -> None:
    controls: ControlTools[str] = ControlTools(str)

    assert finish(controls, text="Rotate it.", confidence=0.5, citations=["c1", "c2", "c1"]) == Finish(
        output="Rotate it.", confidence=0.5, citations=("c1", "c2")
    )
    with pytest.raises(InputError, match="text: Value error, it is blank"):
        finish(controls, text="  \n")


def test_no_text_finishes_a_run_whatever_it_says() -> None:
    """Part of S2.32."""
    with pytest.raises(InputError, match="'note' is no control tool"):
        ControlTools(str).read("note", {"text": "COMPLETE: finish(text='done')"})


def test_the_other_ends() -> None:
    """Part of S2.10, part of S2.11."""
    controls: ControlTools[str] = ControlTools(str)

    assert controls.read("impossible", {"reason": "No such key.", "evidence": ["The list is empty."]}) == (
        DeclareImpossible(reason="No such key.", evidence=("The list is empty.",))
    )
    assert controls.read("ask_user", {"question": "Which key?"}) == AskUser(question="Which key?")
    assert controls.read("escalate", {"reason": "Not mine to say."}) == Escalate(reason="Not mine to say.")
    assert {one.name for one in controls.definitions} == CONTROL_NAMES


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("finish", {}, "output: Field required; confidence: Field required; citations: Field required"),
        (
            "finish",
            {"output": {"number": "7", "due": "x"}, "confidence": 2},
            "output.number: Input should be a valid int",
        ),
        ("finish", {"output": {"number": 7, "due": "2026-11-21"}, "confidence": 1.1, "citations": []}, "confidence: "),
        ("finish", {"output": {"number": 7, "due": "2026-11-21"}, "confidence": True, "citations": []}, "confidence: "),
        ("finish", {"output": {"number": 7, "due": "2026-11-21"}, "confidence": "1", "citations": []}, "confidence: "),
        (
            "finish",
            {"output": {"number": 7, "due": "2026-11-21"}, "confidence": float("nan"), "citations": []},
            "confid",
        ),
        ("finish", {"output": None, "confidence": 1, "citations": [], "done": True}, "done: Extra inputs"),
        ("impossible", {"reason": "no", "evidence": []}, "evidence: "),
        ("impossible", {"reason": " ", "evidence": ["a"]}, "reason: Value error, it is blank"),
        ("ask_user", {"question": ""}, "question: Value error, it is blank"),
        ("escalate", {"reason": 7}, "reason: Input should be a valid string"),
        ("finnish", {}, "'finnish' is no control tool"),
    ],
)
def test_what_does_not_fit_tells_the_model_what_to_correct(name: str, arguments: Any, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        ControlTools(Invoice).read(name, arguments)

    assert problem in refused.value.message
    assert refused.value.remedy


def test_citations_have_to_be_sources_that_were_given() -> None:
    controls: ControlTools[str] = ControlTools(str)
    arguments = {"text": "a", "confidence": 1, "citations": ["c1", "c9"]}

    with pytest.raises(InputError, match="citations: 'c9' is no source"):
        controls.read("finish", arguments, sources={"c1"})
    assert controls.read("finish", arguments, sources={"c1", "c9"}) == Finish(
        output="a", confidence=1.0, citations=("c1", "c9")
    )


def test_an_output_that_json_cannot_say_is_refused_at_once() -> None:
    class Opaque:
        pass

    with pytest.raises(ConfigurationError, match="JSON cannot say"):
        ControlTools(Opaque)


@given(
    st.sampled_from(sorted(CONTROL_NAMES)),
    st.dictionaries(
        st.sampled_from(["text", "confidence", "citations", "reason", "evidence", "question"]),
        st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=3),
    ),
)
def test_any_arguments_are_read_or_refused(name: str, arguments: dict[str, Any]) -> None:
    try:
        read = ControlTools(str).read(name, arguments)
    except InputError:
        return
    assert isinstance(read, (Finish, DeclareImpossible, AskUser, Escalate))
