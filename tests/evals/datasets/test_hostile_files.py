"""Files that nobody vouches for: each gives a typed error that names the place, at once; a lenient reading goes on."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from tercet.errors import InputError, SourceError
from tercet.evals.datasets import lint_path, load_dataset, read_golden, read_qrels, read_run
from tercet.evals.datasets.reading import MAX_FINDINGS, MAX_LINE_BYTES
from tests.evals.datasets import forms

QUESTION = '"conv_id": "c1", "qid": "q9", "question": "?"'
ASKED = '"id": "a", "query": "?"'


def placed(document: str, start: int, end: int) -> str:
    """A question with an answer in a document."""
    found = {"qid": "a", "question": "?", "doc": document, "answer_start": start, "answer_end": end}
    return json.dumps(found)


def session(turns: str, key: str = "s") -> str:
    """The JSON of a session."""
    return f'{{"session_id": "{key}", "turns": {turns}}}'


BROKEN = {
    "raw NUL": ("golden", 'q\0: {"id"}', "not valid JSON"),
    "NUL in an id": ("golden", '{"id": "a\\u0000", "query": "?", "relevant": []}', "control character"),
    "half a surrogate pair": ("golden", '{"id": "a", "query": "\\ud800", "relevant": []}', "surrogate"),
    "deep JSON": ("golden", '{"id": ' + "[" * 100_000, "not valid JSON"),
    "endless number": ("golden", '{"id": "a", "query": "?", "relevant": ' + "9" * 5_000 + "}", "not valid JSON"),
    "not a number": ("golden", '{"id": "a", "query": "?", "relevant": [NaN]}', "NaN"),
    "relevant no list": ("golden", '{"id": "a", "query": "?", "relevant": "d"}', "'relevant' must be a list"),
    "relevant no ids": ("golden", '{"id": "a", "query": "?", "relevant": [{}]}', "'relevant' must be a string"),
    "no judgement": ("golden", '{"id": "a", "query": "?"}', "neither 'relevant' nor 'spans'"),
    "flag no boolean": ("golden", '{"id": "a", "query": "?", "unanswerable": "yes"}', "true or false"),
    "slices no strings": ("golden", '{"id": "a", "query": "?", "relevant": [], "slices": {"x": 1}}', "'slices'"),
    "spans no objects": ("golden", '{"id": "a", "query": "?", "spans": [1]}', "list of objects"),
    "boolean as offset": ("golden", f'{{{ASKED}, "spans": [{{"uri": "d", "start": true, "end": 2}}]}}', "'start'"),
    "empty span": ("golden", '{"id": "a", "query": "?", "spans": [{"uri": "d", "start": 2, "end": 2}]}', "is empty"),
    "golden id twice": ("golden", '{"id": "q1", "query": "?", "relevant": []}', "occurs twice"),
    "unknown document": ("spans", placed("../../etc/passwd", 0, 1), "not among the documents"),
    "span outside": ("spans", placed("Ada.txt", 0, 999), "outside"),
    "negative offset": ("spans", placed("Ada.txt", -1, 1), "from 0"),
    "no document": ("spans", '{"qid": "a", "question": "?"}', "'doc'"),
    "unknown conversation": ("conversations", f'{{{QUESTION}}}'.replace("c1", "c9"), "no conversation 'c9'"),
    "missing evidence": ("conversations", f'{{{QUESTION}, "evidence": [7]}}', "no turn '7'"),
    "evidence of the wrong unit": ("conversations", f'{{{QUESTION}, "evidence_sessions": ["1"]}}', "no session '1'"),
    "boolean as evidence": ("conversations", f'{{{QUESTION}, "evidence": [true]}}', "'evidence'"),
    "category no string": ("conversations", f'{{{QUESTION}, "category": 1}}', "'category'"),
}  # fmt: skip


def broken(folder: Path, name: str) -> tuple[Path, Path, int]:
    """A data set, its questions file, and the number of the line in it that is wrong."""
    form, line, _ = BROKEN[name]
    made = forms.golden(folder) if form == "golden" else forms.FORMS[form](folder / "set")
    path = made if form == "golden" else made / "questions.jsonl"
    content = path.read_text("utf-8")
    path.write_text(f"{content}\n{line}\n", "utf-8")
    return made, path, content.count("\n") + 2


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named_by_file_line_and_reason(tmp_path: Path, name: str) -> None:
    made, path, line = broken(tmp_path, name)

    with pytest.raises(InputError) as caught:
        load_dataset(made)

    assert f"{path}, line {line}: " in caught.value.message
    assert BROKEN[name][2] in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("name", BROKEN)
def test_a_lenient_reading_reports_it_and_keeps_the_rest(tmp_path: Path, name: str) -> None:
    made, path, line = broken(tmp_path, name)

    found = lint_path(made)

    errors = [finding for finding in found.findings if finding.severity == "error"]
    assert [finding.where for finding in errors] == [f"{path}, line {line}"]
    assert found.dataset.facts(made).questions >= 2


TWICE = '[{"turn_id": 1}, {"turn_id": 1}]'
NUMBER = '[{"turn_id": 1, "text": 3}]'
TURNS = {
    "turn id twice": (f'"c2", "sessions": [{session(TWICE)}]', "occurs twice"),
    "session id twice": (f'"c2", "sessions": [{session("[]")}, {session("[]")}]', "occurs twice"),
    "conversation id twice": ('"c1", "sessions": []', "occurs twice"),
    "sessions no list": ('"c2", "sessions": {}', "'sessions' must be a list"),
    "text no string": (f'"c2", "sessions": [{session(NUMBER)}]', "'text'"),
}


@pytest.mark.parametrize("name", TURNS)
def test_broken_conversations_are_named(tmp_path: Path, name: str) -> None:
    path = forms.conversations(tmp_path) / "conversations.jsonl"
    path.write_text(path.read_text("utf-8") + f'{{"conv_id": {TURNS[name][0]}}}\n', "utf-8")

    with pytest.raises(InputError, match=r"conversations\.jsonl, line 2: ") as caught:
        load_dataset(tmp_path)
    assert TURNS[name][1] in caught.value.message


@pytest.mark.parametrize("lenient", [False, True])
def test_a_line_of_a_hundred_megabytes_is_refused_before_it_is_read(tmp_path: Path, lenient: bool) -> None:
    path = forms.golden(tmp_path)
    with path.open("ab") as file:
        file.truncate(100_000_000)  # zeros that take no room on disk, and no line end among them

    tracemalloc.start()
    try:
        if lenient:
            found = lint_path(path)
            assert [finding.code for finding in found.findings] == ["long-line"]
            assert len(found.dataset.queries) == 3
        else:
            with pytest.raises(InputError, match="line 4: the line has more than 16 MiB"):
                load_dataset(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_LINE_BYTES
    finally:
        tracemalloc.stop()


def test_a_file_of_another_form_is_given_up_by_a_lenient_reading_too(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text("no JSON\n" * (MAX_FINDINGS + 1), "utf-8")

    with pytest.raises(InputError, match=f"more than {MAX_FINDINGS} lines are wrong"):
        lint_path(path)


CSV = {
    "unknown column": (b"id,query,answer\nq1,?,d\n", "names 'answer'"),
    "no query": (b"id,relevant\nq1,d\n", "must name id and query"),
    "column twice": (b"id,query,query\nq1,?,d\n", "at most"),
    "cells missing": (b"id,query,relevant\nq1,?\n", "line 2: expected 3 cells, found 2"),
    "quotes": (b'id,query,relevant\nq1,"a"b,c"d"\n', "line 2: not valid CSV"),
    "open quotes": (b'id,query,relevant\nq1,"?,d\n', "does not end"),
    "flag": (b"id,query,unanswerable\nq1,?,perhaps\n", "'unanswerable'"),
    "span": (b"id,query,spans\nq1,?,keys.md\n", "uri:start-end"),
    "NUL": (b"id,query,relevant\nq\0,?,d\n", "line 2: "),
    "huge cell": (b"id,query,relevant\nq1,?," + b"d" * 200_000 + b"\n", "not valid CSV"),
    "encoding": (b"id,query,relevant\nq1,\xff,d\n", "not valid UTF-8"),
}


@pytest.mark.parametrize("name", CSV)
def test_broken_csv_is_named(tmp_path: Path, name: str) -> None:
    content, reason = CSV[name]
    (tmp_path / "golden.csv").write_bytes(content)

    with pytest.raises(InputError) as caught:
        read_golden(tmp_path / "golden.csv")
    assert reason in caught.value.message


def test_a_quotation_mark_that_is_never_closed_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / "golden.csv").write_text('id,query,relevant\nq1,"' + "word\n" * 500_000, "utf-8")

    with pytest.raises(InputError, match="does not end"):
        read_golden(tmp_path / "golden.csv")


TREC = {
    "fields": (read_qrels, "q1 0 d1\n", "expected 4 fields"),
    "grade": (read_qrels, "q1 0 d1 1.5\n", "whole number"),
    "two grades": (read_qrels, "q1 0 d1 1\nq1 0 d1 2\n", "line 2: .*two different grades"),
    "run fields": (read_run, "q1 0 d1 1\n", "expected 6 fields"),
    "score": (read_run, "q1 Q0 d1 1 high tag\n", "no finite number"),
    "infinite": (read_run, "q1 Q0 d1 1 inf tag\n", "no finite number"),
    "ranked twice": (read_run, "q1 Q0 d1 1 2.0 t\nq1 Q0 d1 2 1.0 t\n", "line 2: .*occurs twice"),
    "control character": (read_run, "q\x01 Q0 d1 1 1.0 tag\n", "control character"),
}


@pytest.mark.parametrize("name", TREC)
def test_broken_trec_files_are_named(tmp_path: Path, name: str) -> None:
    read, content, reason = TREC[name]
    (tmp_path / "file").write_text(content, "utf-8")

    with pytest.raises(InputError, match=reason):
        read(tmp_path / "file")


def test_trec_files_of_windows_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfq1\t0\td1\t1\r\n\r\nq1  0  d2  0\r\n")

    assert read_qrels(tmp_path / "file") == {"q1": {"d1": 1, "d2": 0}}


def test_documents_that_are_no_text_and_files_that_are_missing_are_named(tmp_path: Path) -> None:
    folder = forms.spans(tmp_path / "set")
    (folder / "articles" / "B.txt").write_bytes(b"\xff")
    with pytest.raises(SourceError, match=r"B\.txt is not valid UTF-8"):
        load_dataset(folder)
    with pytest.raises(SourceError, match="cannot be read"):
        read_qrels(tmp_path / "nowhere")


def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    folder = forms.beir(tmp_path / "set")
    (folder / "queries.jsonl").unlink()
    (folder / "queries.jsonl").mkdir()

    with pytest.raises(SourceError, match=r"queries\.jsonl cannot be read"):
        load_dataset(folder)
