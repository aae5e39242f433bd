"""Small data sets of every form, as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ARTICLE = "Ada wrote notes.\nBob read them in Zürich 🙂, twice."


def write_records(path: Path, records: list[dict[str, Any]]) -> None:
    """Write JSON Lines, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")


def beir(folder: Path) -> Path:
    """Two documents, two queries."""
    write_records(
        folder / "corpus.jsonl",
        [{"_id": "d1", "text": "Rotate keys every 90 days."}, {"_id": "d2", "text": "Never deploy on a Friday."}],
    )
    write_records(
        folder / "queries.jsonl",
        [{"_id": "q1", "text": "how often are keys rotated"}, {"_id": "q2", "text": "when not to deploy"}],
    )
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n", "utf-8")
    return folder


def spans(folder: Path) -> Path:
    """One article and a question, in the layout of SQuAD."""
    (folder / "articles").mkdir(parents=True)
    (folder / "articles" / "Ada.txt").write_bytes(ARTICLE.encode("utf-8"))
    start = ARTICLE.index("twice")
    write_records(
        folder / "questions.jsonl",
        [
            {"qid": "q1", "question": "How often?", "answer": "twice", "doc": "Ada.txt"}
            | {"answer_start": start, "answer_end": start + 5},
            {"qid": "q2", "question": "Why not?", "unanswerable": True},
        ],
    )
    return folder


def conversations(folder: Path) -> Path:
    """Two sessions; ids of turns are numbers."""
    turns = [{"turn_id": 0, "speaker": "Ada", "text": "I moved."}, {"turn_id": 1, "speaker": "Bob", "text": "Where?"}]
    later = [{"turn_id": 2, "speaker": "Ada", "text": "To Oslo, in May."}]
    sessions = [
        {"session_id": "s1", "date": "2024-05-01", "turns": turns},
        {"session_id": "s2", "date": "2024-06-01", "turns": later},
    ]
    write_records(folder / "conversations.jsonl", [{"conv_id": "c1", "sessions": sessions}])
    write_records(
        folder / "questions.jsonl",
        [
            {"conv_id": "c1", "qid": "q1", "question": "Where to?", "answer": "Oslo", "category": "a", "evidence": [2]},
            {"conv_id": "c1", "qid": "q2", "question": "Which days?", "category": "b", "evidence_sessions": ["s1"]},
            {"conv_id": "c1", "qid": "q3", "question": "Bob's new home?", "category": "adversarial", "evidence": [1]},
        ],
    )
    return folder


def golden(folder: Path) -> Path:
    """A golden file with one question of each sort."""
    path = folder / "golden.jsonl"
    write_records(
        path,
        [
            {"id": "q1", "query": "how often are keys rotated", "relevant": ["guide/keys.md"]},
            {"id": "q2", "query": "when not to deploy", "spans": [{"uri": "guide/deploy.md", "start": 3, "end": 9}]},
            {"id": "q3", "query": "who is the king", "unanswerable": True, "slices": {"language": "en"}},
        ],
    )
    return path


FORMS = {"retrieval": beir, "spans": spans, "conversations": conversations}
