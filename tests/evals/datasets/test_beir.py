from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tercet.errors import InputError, SourceError
from tercet.evals.datasets import load_beir
from tercet.records import Document

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = [
    {"_id": "d1", "title": "Keys", "text": "Rotate them.", "metadata": {"year": 2024, "tags": ["a", "b"]}},
    {"_id": "d2", "text": "Line\u2028separator and \x85 next line"},
    {"_id": "d3", "title": "", "text": "", "metadata": None},
]
QUERIES = [{"_id": "q1", "text": "how to rotate"}, {"_id": "q2", "text": "not judged"}, {"_id": "q3", "text": "other"}]
QRELS = ["query-id\tcorpus-id\tscore", "q3\td2\t0", "q1\td1\t2", "q1\td3\t1"]


def lines(records: list[object]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(lines(CORPUS), "utf-8")
    (tmp_path / "queries.jsonl").write_text(lines(QUERIES), "utf-8")
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(QRELS) + "\n", "utf-8")
    return tmp_path


def test_documents_judged_queries_and_grades_are_read(folder: Path) -> None:
    dataset = load_beir(folder)

    assert dataset.name == folder.name
    assert dataset.documents == (
        Document(uri="d1", title="Keys", text="Rotate them.", metadata={"year": 2024, "tags": ["a", "b"]}),
        Document(uri="d2", text="Line\u2028separator and \x85 next line"),
        Document(uri="d3", text=""),
    )
    assert dataset.queries == {"q1": "how to rotate", "q3": "other"}
    assert dataset.qrels == {"q3": {"d2": 0}, "q1": {"d1": 2, "d3": 1}}


def test_byte_order_marks_windows_line_ends_and_blank_lines_are_tolerated(folder: Path) -> None:
    expected = load_beir(folder)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        path = folder / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")

    assert load_beir(folder) == expected


def test_another_split_and_another_form_of_the_queries_can_be_named(folder: Path) -> None:
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td1\t1\n", "utf-8")
    (folder / "short.jsonl").write_text(lines([{"_id": "q2", "text": "short"}]), "utf-8")

    assert load_beir(folder, split="train", queries="short.jsonl").queries == {"q2": "short"}


BROKEN = {
    "not JSON": ("corpus.jsonl", 2, "{", "not valid JSON"),
    "deep JSON": ("corpus.jsonl", 2, "[" * 100_000, "not valid JSON"),
    "not an object": ("queries.jsonl", 1, "[1]", "JSON object"),
    "no id": ("corpus.jsonl", 1, '{"text": "x"}', "'_id'"),
    "empty id": ("corpus.jsonl", 1, '{"_id": "", "text": "x"}', "'_id'"),
    "number as id": ("queries.jsonl", 1, '{"_id": 1, "text": "x"}', "'_id'"),
    "id twice": ("corpus.jsonl", 2, '{"_id": "d1", "text": "x"}', "occurs twice"),
    "no text": ("corpus.jsonl", 3, '{"_id": "d3"}', "'text'"),
    "title no string": ("corpus.jsonl", 3, '{"_id": "d3", "text": "x", "title": 3}', "'title'"),
    "metadata no object": ("corpus.jsonl", 3, '{"_id": "d3", "text": "x", "metadata": [1]}', "'metadata'"),
    "nested metadata": ("corpus.jsonl", 3, '{"_id": "d3", "text": "x", "metadata": {"a": {"b": 1}}}', "'metadata'"),
    "blank query": ("queries.jsonl", 2, '{"_id": "q2", "text": " "}', "not empty"),
    "no header": ("qrels/test.tsv", 1, "q1\td1\t1", "header"),
    "trec form": ("qrels/test.tsv", 2, "q1 0 d1 1", "3 fields"),
    "grade no number": ("qrels/test.tsv", 3, "q1\td1\thigh", "whole number"),
    "unknown query": ("qrels/test.tsv", 2, "q9\td1\t1", "'q9'"),
    "unknown document": ("qrels/test.tsv", 2, "q1\td9\t1", "'d9'"),
    "two grades": ("qrels/test.tsv", 4, "q1\td1\t1", "two different grades"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named_by_file_and_line(folder: Path, name: str) -> None:
    file, line, content, reason = BROKEN[name]
    path = folder / file
    replaced = path.read_text("utf-8").split("\n")
    replaced[line - 1] = content
    path.write_text("\n".join(replaced), "utf-8")

    with pytest.raises(InputError) as caught:
        load_beir(folder)

    assert f"{path}, line {line}:" in caught.value.message
    assert reason in caught.value.message
    assert caught.value.remedy


def test_bytes_that_are_no_text_are_named_by_file_and_line(folder: Path) -> None:
    path = folder / "queries.jsonl"
    path.write_bytes(path.read_bytes() + b'{"_id": "q4", "text": "\xff"}\n')

    with pytest.raises(InputError, match=r"queries\.jsonl, line 4: not valid UTF-8"):
        load_beir(folder)


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()

    with pytest.raises(SourceError, match="cannot be read") as caught:
        load_beir(folder)
    assert missing.rpartition("/")[2] in caught.value.message


def test_empty_judgements_and_a_missing_folder_are_errors(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("\n", "utf-8")
    with pytest.raises(InputError, match="empty"):
        load_beir(folder)
    with pytest.raises(SourceError, match="no data set folder"):
        load_beir(folder / "nowhere")


@pytest.mark.parametrize(
    ("name", "documents", "queries"),
    [("scifact", 5183, 300), ("cookbook_codebase", 737, 248), ("nq_oracle", 2600, 2655)],
)
def test_public_sets_load(data_dir: Path, name: str, documents: int, queries: int) -> None:
    dataset = load_beir(data_dir / name)

    assert (len(dataset.documents), len(dataset.queries), len(dataset.qrels)) == (documents, queries, queries)
