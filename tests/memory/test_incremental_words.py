"""Words of a corpus that changed a thousand times rank as if it had been built at once from what is left."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from tercet import SemanticRetriever
from tercet.memory.memory import Memory
from tercet.models.lexical import Analyzer
from tests.memory.library import new_version

WORDS = [f"{first}{last}" for first in ("ro", "ka", "mel", "tu", "sin", "vor") for last in ("ta", "dex", "lim", "pon")]
CHANGES = 1_000
SEVERAL = 10_000
"""More than there are: a tie at the end of a shorter list could fall either way."""
ROUNDING = 1e-6
"""The engine adds up float32 products, in an order of its own."""


def text_of(chance: random.Random) -> str:
    """Common words often, rare ones rarely; lengths grow over time, so that the average length moves."""
    weights = [1 / rank for rank in range(1, len(WORDS) + 1)]
    return " ".join(chance.choices(WORDS, weights, k=chance.randint(3, 60)))


def change_at_random(memory: Memory, corpus: int, chance: random.Random) -> dict[str, list[str]]:
    """Add, replace and delete a thousand documents, a few at a time; returns what is left."""
    left: dict[str, list[str]] = {}
    done = 0
    while done < CHANGES:
        size = min(chance.randint(1, 20), CHANGES - done)
        if left and chance.random() < 0.3:
            doomed = chance.sample(sorted(left), min(size, len(left)))
            ids = {info.uri: info.id for info in memory.semantic.documents()}
            memory.semantic.delete([ids[uri] for uri in doomed])
            for uri in doomed:
                del left[uri]
            done += len(doomed)
        else:
            known = chance.sample(sorted(left), min(len(left), size // 2))
            uris = [*known, *(f"document-{done + number}" for number in range(size - len(known)))]
            texts = {uri: [text_of(chance) for _ in range(chance.randint(1, 3))] for uri in uris}
            memory.semantic.put([new_version(memory, corpus, uri, texts[uri]) for uri in uris])
            left.update(texts)
            done += size
        if chance.random() < 0.2:
            memory.semantic.finish(corpus)
    memory.semantic.finish(corpus)
    return left


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_random_changes_rank_like_a_rebuild(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    queries = [" ".join(chance.sample(WORDS, chance.randint(1, 4))) for _ in range(60)]
    with (
        Memory.open(tmp_path / "changed", embedder="none") as changed,
        Memory.open(tmp_path / "rebuilt", embedder="none") as rebuilt,
    ):
        left = change_at_random(changed, changed.ledger.corpus("docs"), chance)
        assert len(left) > 50
        corpus = rebuilt.ledger.corpus("docs")
        rebuilt.semantic.put([new_version(rebuilt, corpus, uri, texts) for uri, texts in left.items()])
        rebuilt.semantic.finish(corpus)
        for query in queries:
            found, expected = (
                {hit.chunk_id: hit.score for hit in SemanticRetriever(memory.semantic).search(query, limit=SEVERAL)}
                for memory in (changed, rebuilt)
            )
            assert found == pytest.approx(expected, abs=ROUNDING)
            in_order = [expected[chunk] for chunk in found]
            assert all(after <= before + ROUNDING for before, after in pairwise(in_order))
            assert found or not Analyzer(changed.lexical).terms(query)
