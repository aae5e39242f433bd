"""A run with passages that plainly answer, or plainly do not, and models that grade them."""

from __future__ import annotations

import json
from collections.abc import Callable

from tercet.evals.judging import JudgeItem
from tercet.evals.records import DatasetFacts, DatasetKind, EvalRun, Outcome, RankedItem
from tercet.models.chat_records import ChatRequest, ChatResponse
from tercet.testing import FunctionModel, answer

RIGHT = "An API key is rotated every ninety days."
WRONG = "Lunch is served at noon."


def run_of(*outcomes: Outcome, kind: DatasetKind = "retrieval") -> EvalRun:
    return EvalRun(
        name="now",
        dataset=DatasetFacts(name="keys", kind=kind, path="keys", fingerprint="5f1c", documents=9, questions=2),
        configuration={},
        versions={},
        seed=0,
        started="2026-03-01T09:30:00+00:00",
        seconds=1.0,
        measures={},
        slices={},
        curves={},
        outcomes=outcomes,
    )


def outcome_of(key: str, *texts: str, relevant: tuple[str, ...] = ("d1",), ids: tuple[str, ...] = ()) -> Outcome:
    """A question whose ranking has these texts, called d1, d2 and so on."""
    names = ids or tuple(f"d{number}" for number in range(1, len(texts) + 1))
    return Outcome(
        id=key,
        text=f"How often is the key {key} rotated?",
        ranking=tuple(
            RankedItem(id=name, score=9.0 - place, text=text)
            for place, (name, text) in enumerate(zip(names, texts, strict=True))
        ),
        values={},
        relevant=relevant,
    )


def item_of(text: str = RIGHT, *, key: str = "q1", name: str = "d1", positive: bool | None = None) -> JudgeItem:
    return JudgeItem(question_id=key, question="How often are keys rotated?", id=name, text=text, positive=positive)


def verdict_of(grade: object, reason: str = "Because.") -> str:
    return json.dumps({"reason": reason, "grade": grade})


def candidate_in(request: ChatRequest) -> str:
    """The text that a request has graded."""
    (source,) = request.sources
    return "".join(source.pieces)


def grader(grade: Callable[[str], object], name: str = "grader") -> FunctionModel:
    """A model whose grade of a text is what a function says."""

    def respond(request: ChatRequest) -> ChatResponse:
        return answer(verdict_of(grade(candidate_in(request))))

    return FunctionModel(respond, name=name)
