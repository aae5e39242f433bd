"""The sweep behind the defaults, without its data: searches worked out as the product does, RM3, MaxSim, choosing."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tercet import Document, Memory, ingest
from tercet.evals.datasets import RetrievalDataset
from tercet.models.lexical import term_id
from tercet.testing import HashEmbedder

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="benchmarks are not part of the wheel's tests")

TEXTS = {
    "keys": ("Keys", "Rotate an expired key with the vault command. The vault keeps the old key for a day."),
    "vault": ("Vault", "A vault is sealed after a restart; unseal it with three shares."),
    "lunch": ("Lunch", "Lunch is at noon in the large room."),
    "logs": ("Logs", "Logs are rotated every day and kept for a month."),
}


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    known = set(sys.modules)
    yield import_module
    for name in set(sys.modules) - known:
        if Path(str(getattr(sys.modules[name], "__file__", None))).parent == BENCHMARKS:
            del sys.modules[name]


@pytest.fixture
def collected(load, tmp_path):
    defaults = load("defaults")
    dataset = RetrievalDataset(
        name="keys",
        documents=tuple(Document(uri=uri, title=title, text=text) for uri, (title, text) in TEXTS.items()),
        queries={"q1": "rotate a key", "q2": "when is lunch", "q3": "unseal after restart"},
        qrels={"q1": {"keys": 1}, "q2": {"lunch": 1}, "q3": {"vault": 1}},
    )
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as memory:
        ingest(documents=dataset.documents, into=memory, chunker=None)
        found = defaults.collect("keys", "given", dataset, memory)
        assert defaults.differs(found, memory) < 1e-4
    return found


def test_the_search_worked_out_here_is_told_from_one_with_other_settings(load, collected):
    variants = load("variants")

    same = collected.search("q1", variants.DEFAULT)
    other = collected.search("q1", variants.Method(k1=0.1, b=0))

    assert next(iter(same)) == "keys"
    assert same != other


def test_rm3_asks_for_terms_of_the_best_chunk_and_keeps_the_weight_of_the_question(load, collected):
    variants = load("variants")
    first = collected.fused("q1", variants.DEFAULT)
    own = collected.questions["q1"].terms

    mixed = collected._expanded(own, first, 1, 3, 0.6)

    fed = set(mixed) - set(own)
    assert term_id("vault") in fed
    assert sum(mixed.values()) == pytest.approx(1)
    assert all(mixed[term] >= 0.6 * weight / sum(own.values()) for term, weight in own.items())
    # The vault's page shares no word with the question, but does with the page that answers it.
    by_words = replace(variants.DEFAULT, dense_weight=0)
    assert "vault" not in collected.search("q1", by_words)
    assert "vault" in collected.search("q1", replace(by_words, rm3=(1, 3, 0.6)))


def test_feedback_moves_the_question_towards_the_best_chunk(load, collected):
    variants = load("variants")
    dense = replace(variants.DEFAULT, lexical_weight=0)
    keys = collected.units.index("keys")

    def cosine(method):
        (leg,) = collected.fused("q1", method).legs
        return next(one.score for one in leg.candidates if one.row == keys)

    assert cosine(replace(dense, feedback=(1, 0.5))) > cosine(dense)


def test_max_sim_orders_the_head_and_leaves_the_rest_behind(load, collected, tmp_path):
    variants, late = load("variants"), load("late_interaction")
    tokens = late.TokenVectors(tmp_path, tmp_path / "tokens.sqlite3", 2)
    question = collected.questions["q1"].text
    fused = [chunk.row for chunk in collected.fused("q1", variants.DEFAULT).chunks]
    east, north = [1.0, 0.0], [0.0, 1.0]
    known = {question: [east], collected.text(fused[0]): [north], collected.text(fused[1]): [north, east]}
    tokens.keep(list(known), [np.array(rows, np.float32) for rows in known.values()])

    found = collected.search("q1", variants.Method(max_sim=(2, 1.0)), tokens)

    order = [collected.units[row] for row in fused]
    assert list(found) == [order[1], order[0], *order[2:]]
    assert sorted(found.values(), reverse=True) == list(found.values())


def test_the_default_is_kept_where_nothing_is_better_and_what_is_better_is_confirmed_elsewhere(
    load, collected, monkeypatch
):
    defaults, variants = load("defaults"), load("variants")
    monkeypatch.setattr(defaults, "CHOOSE", ("keys, odd",))
    monkeypatch.setattr(defaults, "CONFIRM", ("keys, even",))
    families = {"same": {"200": variants.Method(candidates=199)}, "legs": {"words": variants.Method(dense_weight=0)}}
    monkeypatch.setattr(defaults, "FAMILIES", families)
    sweep = defaults.Sweep({"keys": collected}, None)
    sweep._values["keys, odd", families["legs"]["words"]] = {"q1": 1.0, "q3": 1.0}
    sweep._values["keys, odd", variants.DEFAULT] = {"q1": 0.5, "q3": 1.0}
    sweep._values["keys, odd", families["same"]["200"]] = {"q1": 0.5, "q3": 1.0}

    result = defaults.swept(sweep, ["same", "legs"], lambda found: None)

    assert result["same"]["chosen"] == "default"
    assert "confirmed" not in result["same"]
    assert result["legs"]["chosen"] == "words"
    assert result["legs"]["confirmed"]["keys, even"]["count"] == 1
    assert result["legs"]["verdict"] == "no difference: keep the default"
