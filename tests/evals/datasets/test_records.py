"""A data set's facts: what counts for its fingerprint, and what does not."""

from __future__ import annotations

from dataclasses import replace

from tercet.evals.datasets import (
    Conversation,
    ConversationDataset,
    ConversationQuestion,
    ConversationTurn,
    RetrievalDataset,
    Session,
    SpanDataset,
    SpanQuestion,
)
from tercet.evals.records import Span
from tercet.records import Document

DOCUMENTS = (Document(uri="d1", text="one"), Document(uri="d2", text="two", metadata={"tags": ["a", "b"]}))
RETRIEVAL = RetrievalDataset(
    name="r", documents=DOCUMENTS, queries={"q1": "first?", "q2": "second?"}, qrels={"q1": {"d1": 1, "d2": 0}}
)
QUESTION = SpanQuestion(id="q1", text="first?", spans=(Span(uri="d1", start=0, end=3),))
SPANS = SpanDataset(name="s", documents=DOCUMENTS, questions=(QUESTION, replace(QUESTION, id="q2")))
TURNS = (ConversationTurn(id="1", speaker="Ada", text="Hello."), ConversationTurn(id="2", speaker="Bob", text="Hi."))
ASKED = ConversationQuestion(id="q1", conversation="c", text="Who?", evidence=frozenset({"1"}))
TALKS = ConversationDataset(
    name="t",
    conversations=(Conversation(id="c", sessions=(Session(id="s", date="", turns=TURNS),)),),
    questions=(ASKED,),
)


def mark(dataset: RetrievalDataset | SpanDataset | ConversationDataset) -> str:
    return dataset.facts("anywhere").fingerprint


def test_facts_name_the_kind_the_place_and_the_counts() -> None:
    found = [one.facts("there") for one in (RETRIEVAL, SPANS, TALKS)]

    assert [(one.name, one.kind, one.path, one.documents, one.questions) for one in found] == [
        ("r", "retrieval", "there", 2, 2),
        ("s", "spans", "there", 2, 2),
        ("t", "conversations", "there", 2, 1),
    ]
    assert len({one.fingerprint for one in found}) == 3


def test_order_name_and_place_do_not_count() -> None:
    turned = replace(
        RETRIEVAL,
        name="other",
        documents=DOCUMENTS[::-1],
        queries={"q2": "second?", "q1": "first?"},
        qrels={"q1": {"d2": 0, "d1": 1}},
    )

    assert mark(turned) == mark(RETRIEVAL)
    assert mark(replace(SPANS, questions=SPANS.questions[::-1])) == mark(SPANS)
    assert RETRIEVAL.facts("a").fingerprint == RETRIEVAL.facts("b").fingerprint


def test_documents_questions_and_judgements_count() -> None:
    changed = [
        replace(RETRIEVAL, documents=DOCUMENTS[:1]),
        replace(RETRIEVAL, documents=(DOCUMENTS[0], replace(DOCUMENTS[1], text="2"))),
        replace(RETRIEVAL, queries={"q1": "first", "q2": "second?"}),
        replace(RETRIEVAL, qrels={"q1": {"d1": 1, "d2": 1}}),
        replace(RETRIEVAL, qrels={"q1": {"d1": 1}}),
        replace(RETRIEVAL, unanswerable=frozenset({"q2"})),
        replace(RETRIEVAL, slices={"q1": {"language": "de"}}),
        replace(SPANS, questions=(replace(QUESTION, spans=(Span(uri="d1", start=0, end=2),)), SPANS.questions[1])),
        replace(TALKS, questions=(replace(ASKED, unit="session"),)),
        replace(TALKS, questions=(replace(ASKED, evidence=frozenset({"2"})),)),
    ]
    marks = [mark(one) for one in (RETRIEVAL, SPANS, TALKS, *changed)]

    assert len(set(marks)) == len(marks)
