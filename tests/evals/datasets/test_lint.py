"""Each finding of lint, with data that has it and data that has it not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tercet.evals.datasets import (
    Conversation,
    ConversationDataset,
    ConversationQuestion,
    ConversationTurn,
    Dataset,
    RetrievalDataset,
    Session,
    SpanDataset,
    SpanQuestion,
    lint,
    lint_path,
)
from tercet.evals.records import Span
from tercet.records import Document
from tests.evals.datasets import forms

KEYS = Document(uri="d1", text="Keys are rotated every 90 days.\nAda wrote that, twice.")
DEPLOYS = Document(uri="d2", text="Never deploy on a Friday.")
RETRIEVAL = RetrievalDataset(
    name="sound",
    documents=(KEYS, DEPLOYS),
    queries={"q1": "how often must a key be renewed", "q2": "which days are bad for releases", "q3": "who is king"},
    qrels={"q1": {"d1": 1, "d2": 0}, "q2": {"d2": 1}},
    unanswerable=frozenset({"q3"}),
)
TWICE = Span(uri="d1", start=48, end=53)
ASKED = SpanQuestion(id="q1", text="How often did she?", spans=(TWICE,), quotes=("twice",))
SPANS = SpanDataset(
    name="sound",
    documents=(KEYS,),
    questions=(ASKED, SpanQuestion(id="q2", text="Who is king?", spans=(), answerable=False)),
)
TURNS = (ConversationTurn(id="1", speaker="Ada", text="I moved."), ConversationTurn(id="2", speaker="Bob", text="Oh."))
WHERE = ConversationQuestion(id="q1", conversation="c", text="Where does Ada live?", evidence=frozenset({"1"}))
NOWHERE = ConversationQuestion(
    id="q2", conversation="c", text="Where does Bob live?", evidence=frozenset({"2"}), answerable=False
)
TALKS = ConversationDataset(
    name="sound",
    conversations=(Conversation(id="c", sessions=(Session(id="s", date="", turns=TURNS),)),),
    questions=(WHERE, NOWHERE),
)


def asked(**changes: object) -> SpanDataset:
    return replace(SPANS, questions=(replace(ASKED, **changes), SPANS.questions[1]))


def talked(**changes: object) -> ConversationDataset:
    return replace(TALKS, questions=(replace(WHERE, **changes), NOWHERE))


def spoken(text: str) -> ConversationDataset:
    turns = (replace(TURNS[0], text=text), TURNS[1])
    return replace(TALKS, conversations=(Conversation(id="c", sessions=(Session(id="s", date="", turns=turns),)),))


def queries(**texts: str) -> RetrievalDataset:
    return replace(RETRIEVAL, queries={**RETRIEVAL.queries, **texts})


LONG = "how many days may pass until the key of the server must be rotated"
BROKEN: dict[str, tuple[Dataset, str, str, str]] = {
    # what is wrong: data set, severity and code, where, a word of the message or remedy
    "document not there": (
        replace(RETRIEVAL, qrels={**RETRIEVAL.qrels, "q2": {"d2": 1, "d9": 1}}),
        "error unknown-document",
        "judgement 'q2' / 'd9'",
        "'d9'",
    ),
    "query not there": (
        replace(RETRIEVAL, qrels={**RETRIEVAL.qrels, "q9": {"d2": 1}}),
        "error unknown-query",
        "judgement 'q9' / 'd2'",
        "'q9'",
    ),
    "swapped": (
        replace(RETRIEVAL, qrels={"d1": {"q1": 1}, "d2": {"q2": 1}}, queries={}, unanswerable=frozenset()),
        "error swapped-columns",
        "judgements 'sound'",
        "query first",
    ),
    "asked twice": (
        replace(queries(q3="Who  is\nKING", q4="who is king"), unanswerable=frozenset({"q3", "q4"})),
        "warning duplicate-query",
        "query 'q4'",
        "'q3'",
    ),
    "asked nearly twice": (
        replace(queries(q4=LONG, q5=LONG.replace("until", "before")), unanswerable=frozenset({"q3", "q4", "q5"})),
        "warning near-duplicate-query",
        "query 'q5'",
        "'q4'",
    ),
    "no answer": (queries(q4="what is new"), "warning no-relevant", "query 'q4'", "unanswerable"),
    "all zero": (
        replace(RETRIEVAL, qrels={"q1": {"d1": 1}, "q2": {"d1": 0, "d2": 0}}),
        "warning all-zero",
        "query 'q2'",
        "All 2 judgements",
    ),
    "unanswerable and answered": (
        replace(RETRIEVAL, unanswerable=frozenset({"q2", "q3"})),
        "error answered-unanswerable",
        "query 'q2'",
        "Remove the mark",
    ),
    "empty document": (
        replace(RETRIEVAL, documents=(KEYS, DEPLOYS, Document(uri="d3", text=" \n"))),
        "warning empty-document",
        "document 'd3'",
        "Remove it",
    ),
    "empty query": (queries(q1=" "), "error empty-query", "query 'q1'", "Write it"),
    "leak": (queries(q2="never deploy  on a FRIDAY."), "warning leak", "query 'q2'", "word for word"),
    "quote elsewhere": (
        asked(spans=(Span(uri="d1", start=40, end=45),)),
        "error quote-mismatch",
        "question 'q1'",
        "It stands at 48-53",
    ),
    "quote with other spaces": (
        asked(quotes=("90  days. ada",), spans=(Span(uri="d1", start=20, end=33),)),
        "error quote-mismatch",
        "question 'q1'",
        "But for white space and letter case it stands at 23-35",
    ),
    "quote nowhere": (asked(quotes=("thrice",)), "error quote-mismatch", "question 'q1'", "nowhere"),
    "span outside": (
        asked(spans=(Span(uri="d1", start=48, end=99),)),
        "error bad-span",
        "question 'q1'",
        "stands at 48-53",
    ),
    "span empty": (
        asked(spans=(Span(uri="d1", start=5, end=5),), quotes=("",)),
        "error bad-span",
        "question 'q1'",
        "empty",
    ),
    "span of no document": (
        asked(spans=(Span(uri="d9", start=48, end=53),)),
        "error unknown-document",
        "question 'q1'",
        "'d9'",
    ),
    "no span": (asked(spans=(), quotes=()), "warning no-relevant", "question 'q1'", "unanswerable"),
    "span of the unanswerable": (asked(answerable=False), "error answered-unanswerable", "question 'q1'", "mark"),
    "evidence not there": (
        talked(evidence=frozenset({"1", "7"})),
        "error missing-evidence",
        "question 'q1'",
        "turn '7'",
    ),
    "evidence of sessions": (talked(unit="session"), "error missing-evidence", "question 'q1'", "session '1'"),
    "conversation not there": (talked(conversation="x"), "error unknown-conversation", "question 'q1'", "'x'"),
    "no evidence": (talked(evidence=frozenset()), "warning no-relevant", "question 'q1'", "no turn"),
    "empty turn": (spoken(""), "warning empty-document", "document 'c 1'", "empty"),
    "turn asked": (spoken("Where does Ada live?"), "warning leak", "question 'q1'", "word for word"),
    "conversation asked twice": (
        talked(text="where does bob live?"),
        "warning duplicate-query",
        "question 'q2'",
        "'q1'",
    ),
}


@pytest.mark.parametrize("dataset", [RETRIEVAL, SPANS, TALKS], ids=lambda dataset: type(dataset).__name__)
def test_sound_data_sets_have_no_findings(dataset: Dataset) -> None:
    assert lint(dataset) == ()


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_found_once_and_nothing_else(name: str) -> None:
    dataset, what, where, word = BROKEN[name]

    (finding,) = lint(dataset)

    assert (f"{finding.severity} {finding.code}", finding.where) == (what, where)
    assert word in f"{finding.message} {finding.remedy}"
    assert finding.remedy


def test_questions_that_differ_in_a_number_or_a_negation_are_no_duplicates() -> None:
    one = "in which of the two years did the company sell more than 1000 machines abroad"
    dataset = queries(q4=one, q5=one.replace("1000", "2000"), q6=one.replace("did the", "did not the"))

    assert {finding.code for finding in lint(dataset)} == {"no-relevant"}


def test_the_same_question_about_another_conversation_is_another_question() -> None:
    other = replace(TALKS.conversations[0], id="d")
    both = replace(
        TALKS, conversations=(*TALKS.conversations, other), questions=(WHERE, replace(WHERE, id="q9", conversation="d"))
    )

    assert lint(both) == ()


def test_documents_of_ones_own_corpus_are_looked_up_only_if_they_are_given() -> None:
    dataset = replace(RETRIEVAL, documents=())
    places = replace(SPANS, documents=())

    assert lint(dataset) == lint(places) == ()
    assert lint(dataset, uris={"d1", "d2"}) == ()
    assert [finding.code for finding in lint(dataset, uris={"d1"})] == ["unknown-document"] * 2
    assert [finding.code for finding in lint(places, uris={"d2"})] == ["unknown-document"]


def test_errors_come_first() -> None:
    dataset = replace(queries(q0=" "), documents=(Document(uri="d1", text=""), DEPLOYS))

    assert [finding.severity for finding in lint(dataset)] == ["error", "warning", "warning"]


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text("utf-8")), "utf-8")


def test_all_that_is_wrong_with_the_files_is_listed_with_its_line(tmp_path: Path) -> None:
    folder = forms.beir(tmp_path / "set")
    edit(folder / "corpus.jsonl", lambda text: text + '{"_id": "d1", "text": "again"}\nno JSON\n')
    edit(folder / "queries.jsonl", lambda text: text + '{"_id": "q3", "text": " "}\n')
    edit(folder / "qrels" / "test.tsv", lambda text: text + "q1\td9\t1\nq7\td1\t1\nq1 d1 1\nq2\td2\tx\n")

    found = lint_path(folder)

    files = {"corpus.jsonl", "queries.jsonl", "test.tsv"}
    assert all(Path(finding.where.rpartition(", line ")[0]).name in files for finding in found.findings)
    assert [(Path(one.where).name, one.code) for one in found.findings] == [
        ("corpus.jsonl, line 3", "duplicate-id"),
        ("corpus.jsonl, line 4", "bad-json"),
        ("queries.jsonl, line 3", "empty-text"),
        ("test.tsv, line 6", "bad-fields"),
        ("test.tsv, line 7", "bad-grade"),
        ("test.tsv, line 4", "unknown-document"),
        ("test.tsv, line 5", "unknown-query"),
    ]
    assert {finding.severity for finding in found.findings} == {"error"}


def test_swapped_columns_are_seen_in_files_too(tmp_path: Path) -> None:
    folder = forms.beir(tmp_path / "set")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nd1\tq1\t1\nd2\tq2\t1\n", "utf-8")

    assert [finding.code for finding in lint_path(folder).findings] == ["swapped-columns"]
