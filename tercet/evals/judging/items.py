"""What is judged: passages that a run found, or answers to its questions."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, InputError
from tercet.evals.datasets.reading import Reading
from tercet.evals.records import SHOWN_TEXTS
from tercet.models.chat_records import ChatMessage, ChatRequest, SourcePart, TextPart
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.evals.datasets.reading import Record
    from tercet.evals.judging.rubrics import Rubric
    from tercet.evals.records import EvalRun, Outcome, RankedItem

_STEERING = (
    re.compile(r"\b(ignore|disregard|forget|override)\b[^.\n]{0,60}\b(instruction|rule|rubric|prompt|guideline)", re.I),
    re.compile(
        r"\b(give|assign|award|rate|score|grade|mark|return|output|respond)\b[^.\n]{0,60}"
        r"(\b\d+\s*(/|out\s+of)\s*\d+|\b(score|grade|rating|marks?)\s*(of\s*)?\d|\b(full|top|highest|maximum|perfect|best)"
        r"\s+(score|grade|rating|marks?)\b)",
        re.I,
    ),
    re.compile(r"[\"'](score|grade|rating)[\"']\s*:\s*\d", re.I),
    re.compile(
        r"\b(dear|attention|note to( the)?|you are (now )?(a|an|the))\s+(judge|grader|evaluator|assessor)\b", re.I
    ),
    re.compile(r"\bsystem\s+prompt\b|<\s*/?\s*(system|instructions?)\s*>", re.I),
)
"""Words by which texts address a judge. A text may hold them in all innocence, and another may do without them: they
are told to the reader and change no grade."""
_SPAN = re.compile(r"(?P<uri>.*):(?P<start>\d{1,15})-(?P<end>\d{1,15})", re.DOTALL | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeItem:
    """One text to be graded against a question."""

    question_id: str
    question: str
    id: str
    """Of the text: a document, chunk or turn; ``answer`` for an answer."""
    text: str
    reference: str = ""
    """The right answer; empty where nobody says it."""
    positive: bool | None = None
    """The gold label: relevant or correct. None: there is none."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What speaks for an attempt to steer the judge: ``addresses the judge``, ``hidden characters``."""
        shown, hidden = sanitize(self.text)
        found = ["addresses the judge"] if any(pattern.search(shown) for pattern in _STEERING) else []
        return tuple([*found, "hidden characters"] if hidden else found)

    def request(self, rubric: Rubric, *, max_tokens: int) -> ChatRequest:
        """The request that has it graded: the rubric as instructions, the text as a source, which is data.

        Question and reference are given as JSON strings, so that neither can end before its end.

        Args:
            rubric: What is graded, by which scale.
            max_tokens: Of the verdict.
        """
        given = {"question": self.question} | ({"reference answer": self.reference} if self.reference else {})
        asked = json.dumps({key: sanitize(text)[0] for key, text in given.items()}, ensure_ascii=False)
        candidate = SourcePart(id="candidate", source="candidate", title="candidate", pieces=(sanitize(self.text)[0],))
        return ChatRequest(
            instructions=rubric.instructions,
            messages=(
                ChatMessage(
                    role="user",
                    parts=(
                        TextPart(text=asked),
                        candidate,
                        TextPart(text=f"Grade the candidate from 0 to {rubric.top} by the rubric."),
                    ),
                ),
            ),
            output_schema=rubric.schema,
            max_tokens=max_tokens,
        )


def passages_of(run: EvalRun, *, depth: int = 5, limit: int | None = None, seed: int = 0) -> tuple[JudgeItem, ...]:
    """The passages at the top of each ranking of a run, with the data set's judgement as gold label.

    What the data set names as relevant is positive and everything else is not, also what nobody judged. A document
    counts by its best chunk, whose text is what is judged; a chunk is positive where it overlaps a gold span. Questions
    that failed have no passages.

    Args:
        run: As ``read_run`` gives it.
        depth: Ranks of each question; a run keeps the texts of ten.
        limit: So many questions, drawn at random under the seed; None: all.
        seed: Of the draw.

    Raises:
        ConfigurationError: The depth or the limit cannot be.
        InputError: The run has no texts.
    """
    if not 1 <= depth <= SHOWN_TEXTS:
        raise ConfigurationError(
            f"depth={depth}: a run keeps the texts of {SHOWN_TEXTS} ranks.", remedy=f"Use 1 to {SHOWN_TEXTS}."
        )
    spans = run.dataset.kind == "spans"
    found = [
        JudgeItem(
            question_id=outcome.id,
            question=outcome.text,
            id=item.id,
            text=item.text,
            positive=_overlaps(item.id, outcome.relevant) if spans else item.id in outcome.relevant,
        )
        for outcome in _drawn(run, limit, seed)
        for item in _top(outcome, depth)
    ]
    if not found:
        raise InputError(
            f"the run {run.name!r} holds no texts to judge.",
            remedy="Baselines are stored without them: judge the run that was measured, or make it again.",
        )
    return tuple(found)


def answers_of(run: EvalRun, path: str | Path, *, limit: int | None = None, seed: int = 0) -> tuple[JudgeItem, ...]:
    """Answers to the questions of a run, from a file with one JSON object a line.

    Each has ``id`` (of the question) and ``answer``, and may have ``reference`` (the right answer) and ``correct``
    (true or false: what a person says of the answer). Questions without an answer are left out.

    Args:
        run: Whose questions are answered.
        path: The file.
        limit: So many questions, drawn at random under the seed; None: all.
        seed: Of the draw.

    Raises:
        SourceError: The file cannot be read.
        InputError: A line is malformed, names no question of the run, or one that has its answer already; or there is
            no answer to judge.
    """
    questions = {outcome.id: outcome.text for outcome in run.outcomes}
    found: dict[str, JudgeItem] = {}

    def take(record: Record) -> None:
        key = record.id("id", known=found)
        if key not in questions:
            record.refuse("unknown-question", f"the run {run.name!r} has no question {key!r}")
        found[key] = JudgeItem(
            question_id=key,
            question=questions[key],
            id="answer",
            text=record.text("answer"),
            reference=record.text("reference", default=""),
            positive=record.flag("correct") if "correct" in record.values else None,
        )

    Reading().each_record(Path(path), take)
    chosen = tuple(
        found[outcome.id]
        for outcome in _drawn(run, limit, seed)
        if outcome.id in found and sanitize(found[outcome.id].text)[0].strip()
    )
    if not chosen:
        raise InputError(f"{path} holds no answer to judge.", remedy='Such as {"id": "q1", "answer": "Every 90 days."}')
    return chosen


def _top(outcome: Outcome, depth: int) -> list[RankedItem]:
    """The first ranks, best first, without those that show nothing; an id counts where it comes first."""
    found: dict[str, RankedItem] = {}
    for item in outcome.ranking[:depth]:
        found.setdefault(item.id, item)
    return [item for item in found.values() if sanitize(item.text)[0].strip()]


def _drawn(run: EvalRun, limit: int | None, seed: int) -> Sequence[Outcome]:
    if limit is not None and limit < 1:
        raise ConfigurationError(f"limit={limit} leaves no question.", remedy="Give 1 or more.")
    if limit is None or limit >= len(run.outcomes):
        return run.outcomes
    chosen = set(random.Random(seed).sample(sorted(one.id for one in run.outcomes), limit))  # noqa: S311 - no secret
    return [outcome for outcome in run.outcomes if outcome.id in chosen]


def _overlaps(chunk: str, gold: Sequence[str]) -> bool:
    """Whether a chunk, named ``uri:start-end``, has characters of one of these spans."""
    found = _SPAN.fullmatch(chunk)
    if found is None:
        return False
    spans = [span for name in gold if (span := _SPAN.fullmatch(name)) and span["uri"] == found["uri"]]
    start, end = int(found["start"]), int(found["end"])
    return any(int(span["start"]) < end and start < int(span["end"]) for span in spans)
