"""What is wrong with the evidence of questions about conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.evals.datasets.conversations import evidence_ids
from tercet.evals.datasets.lint_questions import lint_questions, lint_texts

if TYPE_CHECKING:
    from tercet.evals.datasets.lint_questions import Report
    from tercet.evals.datasets.records import ConversationDataset


def lint_conversations(dataset: ConversationDataset, report: Report) -> None:
    """Add what is wrong to a report.

    Evidence of an unanswerable question is no error here: it is what misleads, such as the other speaker's turn.
    """
    places = {(talk.id, unit): ids for talk in dataset.conversations for unit, ids in evidence_ids(talk).items()}
    known = {talk.id for talk in dataset.conversations}
    for question in dataset.questions:
        where = ("question", question.id)
        if question.conversation not in known:
            report.error(
                "unknown-conversation",
                where,
                f"{question.id!r} is about a conversation {question.conversation!r} that is not there.",
                "Add the conversation, or remove the question.",
            )
        else:
            for missing in sorted(question.evidence - places[question.conversation, question.unit]):
                report.error(
                    "missing-evidence",
                    where,
                    f"{question.id!r} names a {question.unit} {missing!r} that its conversation does not have.",
                    "Correct the id, or remove it: nothing can find it.",
                )
        if question.answerable and not question.evidence:
            report.warning(
                "no-relevant",
                where,
                f"{question.id!r} names no {question.unit} that answers it.",
                "Name one, or mark it as unanswerable; recall leaves it out.",
            )
    # The same question about another conversation is another question.
    for talk in dataset.conversations:
        asked = {one.id: one.text for one in dataset.questions if one.conversation == talk.id}
        lint_questions(asked, report, kind="question")
        turns = [(f"{talk.id} {turn.id}", turn.text) for session in talk.sessions for turn in session.turns]
        lint_texts(turns, asked, report, kind="question")
