"""The public data sets load, and have the defects that are known of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tercet.evals.datasets import ConversationDataset, SpanDataset, lint_path, load_dataset

# documents, questions, findings by code: a change here is a change of the data or of what lint sees
KNOWN = {
    "scifact": (5183, 300, {"near-duplicate-query": 3}),
    "scifact_mini": (563, 60, {}),
    "cookbook_codebase": (737, 248, {"duplicate-query": 2}),
    "cookbook_codebase_mini": (214, 60, {"duplicate-query": 1}),
    "nq_oracle_mini": (500, 100, {}),
    "xquad/de": (240, 1190, {"duplicate-query": 9}),
    "xquad/zh": (240, 1190, {"duplicate-query": 9, "near-duplicate-query": 1}),
    "chunking_eval": (3, 276, {}),
    "squad_docs": (240, 549, {"duplicate-query": 1, "near-duplicate-query": 1}),
    "lihua_world": (5899, 637, {"near-duplicate-query": 3, "duplicate-query": 2, "no-relevant": 1}),
    "locomo": (788, 304, {"no-relevant": 2, "duplicate-query": 1}),
    "qmsum/val": (20123, 272, {"no-relevant": 35, "empty-document": 17, "duplicate-query": 1}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_public_sets_load_without_errors_and_with_the_known_warnings(data_dir: Path, name: str) -> None:
    documents, questions, warnings = KNOWN[name]

    found = lint_path(data_dir / name)

    facts = found.dataset.facts(name)
    assert (facts.documents, facts.questions) == (documents, questions)
    assert {finding.severity for finding in found.findings} <= {"warning"}
    codes = [finding.code for finding in found.findings]
    assert {code: codes.count(code) for code in codes} == warnings


@pytest.mark.parametrize(
    ("name", "count", "unanswerable", "unit"),
    [("locomo", 304, 71, "turn"), ("lihua_world", 637, 65, "session"), ("qmsum/val", 272, 0, "turn")],
)
def test_conversations_say_what_is_unanswerable_and_what_evidence_is(
    data_dir: Path, name: str, count: int, unanswerable: int, unit: str
) -> None:
    dataset = load_dataset(data_dir / name)

    assert isinstance(dataset, ConversationDataset)
    assert dataset.name == name
    assert len(dataset.questions) == count
    assert sum(not question.answerable for question in dataset.questions) == unanswerable
    assert {question.unit for question in dataset.questions} == {unit}


@pytest.mark.parametrize("name", ["chunking_eval", "squad_docs"])
def test_every_gold_span_holds_what_it_is_said_to_hold(data_dir: Path, name: str) -> None:
    dataset = load_dataset(data_dir / name)

    assert isinstance(dataset, SpanDataset)
    texts = {document.uri: document.text for document in dataset.documents}
    found = [
        (texts[span.uri][span.start : span.end], quote)
        for question in dataset.questions
        for span, quote in zip(question.spans, question.quotes, strict=True)
    ]
    assert len(found) >= 276
    assert all(text == quote for text, quote in found)
