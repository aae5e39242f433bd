"""Data sets of conversations: ``conversations.jsonl`` and ``questions.jsonl`` with the evidence of each question.

A conversation is ``{conv_id, sessions: [{session_id, date, turns: [{turn_id, speaker, text}]}]}``. A question is
``{conv_id, qid, question, answer, category}`` with ``evidence`` (ids of turns) or ``evidence_sessions`` (ids of
sessions); it is unanswerable where ``unanswerable`` or ``adversarial`` is true, or where its category says so.
LoCoMo (Maharana et al., 2024), LiHua-World (Fan et al., 2025) and QMSum (Zhong et al., 2021) have this form.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tercet.evals.datasets.reading import Reading, Record
from tercet.evals.datasets.records import (
    Conversation,
    ConversationDataset,
    ConversationQuestion,
    ConversationTurn,
    EvidenceUnit,
    Session,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

UNANSWERABLE = frozenset({"adversarial", "null", "unanswerable", "abstention"})
"""Categories, in lower case, of questions that the conversation does not answer."""
_SPLITS = frozenset({"train", "val", "dev", "validation", "test"})


def load_conversations(folder: str | Path, *, reading: Reading | None = None) -> ConversationDataset:
    """Read conversations and the questions about them.

    Raises:
        SourceError: One of the two files is missing or cannot be read.
        InputError: A line is malformed, an id occurs twice, or a question names a conversation, turn or session that
            is not there.
    """
    root = Path(folder)
    reading = reading or Reading()
    talks: dict[str, Conversation] = {}
    questions: dict[str, ConversationQuestion] = {}

    def take_talk(record: Record) -> None:
        key = record.id("conv_id", known=talks)
        talks[key] = _conversation(record, key)
        record.note("conversation", key)

    reading.each_record(root / "conversations.jsonl", take_talk)
    places = {(talk.id, unit): ids for talk in talks.values() for unit, ids in evidence_ids(talk).items()}

    def take_question(record: Record) -> None:
        question = _question(record, questions)
        if not reading.lenient:
            if question.conversation not in talks:
                record.refuse("unknown-conversation", f"there is no conversation {question.conversation!r}")
            if missing := sorted(question.evidence - places[question.conversation, question.unit]):
                record.refuse("missing-evidence", f"its conversation has no {question.unit} {missing[0]!r}")
        questions[question.id] = question
        record.note("question", question.id)

    reading.each_record(root / "questions.jsonl", take_question)
    own = root.resolve()
    return ConversationDataset(
        name=f"{own.parent.name}/{own.name}" if own.name in _SPLITS else own.name,
        conversations=tuple(talks.values()),
        questions=tuple(questions.values()),
    )


def evidence_ids(talk: Conversation) -> Mapping[EvidenceUnit, frozenset[str]]:
    """What questions about a conversation may name, by unit."""
    return {
        "turn": frozenset(turn.id for session in talk.sessions for turn in session.turns),
        "session": frozenset(session.id for session in talk.sessions),
    }


def _conversation(record: Record, key: str) -> Conversation:
    sessions: dict[str, Session] = {}
    turns: set[str] = set()
    for part in record.parts("sessions"):
        own: list[ConversationTurn] = []
        name = part.id("session_id", known=sessions, numbers=True)
        for said in part.parts("turns"):
            turn = said.id("turn_id", known=turns, numbers=True)
            turns.add(turn)
            own.append(
                ConversationTurn(id=turn, speaker=said.text("speaker", default=""), text=said.text("text", default=""))
            )
        sessions[name] = Session(id=name, date=part.text("date", default=""), turns=tuple(own))
    return Conversation(id=key, sessions=tuple(sessions.values()))


def _question(record: Record, known: Mapping[str, object]) -> ConversationQuestion:
    unit: EvidenceUnit = "session" if "evidence_sessions" in record.values else "turn"
    named = record.list("evidence_sessions" if unit == "session" else "evidence")
    category = record.text("category", default="")
    unanswerable = record.flag("unanswerable") or record.flag("adversarial") or category.lower() in UNANSWERABLE
    return ConversationQuestion(
        id=record.id("qid", "id", known=known),
        conversation=record.id("conv_id"),
        text=record.text("question", "query"),
        evidence=frozenset(record.identifier(one, "evidence", numbers=True) for one in named),
        unit=unit,
        category=category,
        answerable=not unanswerable,
        answer=record.text("answer", default=""),
    )
