"""Which turns of a conversation a question finds: ``EpisodicRetriever`` beside each of its parts alone.

LoCoMo asks for turns: recall counts turns. LiHua-World asks for sessions: recall counts sessions, in the order in which
the hits first name them. ``any``: at least one piece of evidence is among the first k; ``all``: each of them is.
Everything was chosen on conversation 26 and on LiHua's even questions; conversation 30 and the odd questions were left
for the report. Intervals are 95 % percentile bootstrap over questions, the same resamples for every method.

    python benchmarks/episodic_recall.py --data DIR            # DIR holds locomo/ and lihua_world/

``--keep DIR`` keeps the memories there, ``--cache FILE`` the vectors: a second run embeds nothing again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tercet import EpisodicConfig, EpisodicRetriever, Memory, Scope
from tercet.evals.conversations import last_time, record, scope_of
from tercet.evals.datasets import ConversationDataset, ConversationQuestion, load_conversations
from tercet.evals.embedding_cache import CachedEmbedder
from tercet.evals.measures import evaluate as compute
from tercet.evals.measures import parse_measures
from tercet.models.embedding import resolve_embedder
from tercet.retrieval.fusion import Leg, fuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 10_000
DEPTH = 200
HITS = 50


def read(data: Path, folder: str, conversation: str) -> ConversationDataset:
    """One conversation with its questions, named after its data set too: ids of records, which break ties, need it."""
    whole = load_conversations(data / folder)
    name = f"{folder} {conversation}"
    return replace(
        whole,
        name=name,
        conversations=tuple(replace(one, id=name) for one in whole.conversations if one.id == conversation),
        questions=tuple(replace(one, conversation=name) for one in whole.questions if one.conversation == conversation),
    )


# -- ways to rank ----------------------------------------------------------------------------------------------------


Ranks = Callable[[Memory, Scope, str], list[str]]
"""Ids of records, best first."""


def by_words(memory: Memory, scope: Scope, query: str) -> list[str]:
    terms = Counter(memory.episodic.analyzer.terms(query))
    found = memory.episodic.lexical_candidates(terms, memory.episodic.select(scope), limit=DEPTH)
    return [candidate.id for candidate in found.candidates]


def by_meaning(memory: Memory, scope: Scope, query: str) -> list[str]:
    vector = memory.episodic.embedder.embed_query(query)
    return [one.id for one in memory.episodic.dense_candidates(vector, memory.episodic.select(scope), limit=DEPTH)]


def by_time(memory: Memory, scope: Scope, query: str) -> list[str]:
    del query
    return [episode.id for episode in reversed(memory.episodic.timeline(scope, limit=HITS))]


def by_dbsf(memory: Memory, scope: Scope, query: str) -> list[str]:
    """Both legs over the whole query, fused as documents are."""
    episodic = memory.episodic
    terms = Counter(episodic.analyzer.terms(query))
    words = episodic.lexical_candidates(terms, episodic.select(scope), limit=DEPTH).candidates
    meaning = episodic.dense_candidates(
        memory.episodic.embedder.embed_query(query), episodic.select(scope), limit=DEPTH
    )
    legs = [Leg(name="lexical", weight=1, candidates=words), Leg(name="dense", weight=1, candidates=meaning)]
    return [chunk.chunk_id for chunk in fuse(legs).chunks]


def by_retriever(**settings: float) -> Ranks:
    config = EpisodicConfig(**settings)

    def ranks(memory: Memory, scope: Scope, query: str) -> list[str]:
        retriever = EpisodicRetriever(memory.episodic, config=config)
        return [hit.episode.id for hit in retriever.search(query, scope=scope, limit=HITS)]

    return ranks


METHODS: dict[str, Ranks] = {
    "bm25": by_words,
    "dense": by_meaning,
    "recency": by_time,
    "dbsf": by_dbsf,
    "retriever": by_retriever(floor=0),
    "retriever, context=0": by_retriever(floor=0, context=0),
    "retriever, actor_boost=0": by_retriever(floor=0, actor_boost=0),
    "retriever, day_boost=0": by_retriever(floor=0, day_boost=0),
}


# -- measures --------------------------------------------------------------------------------------------------------

MEASURES = parse_measures("any@5 all@5 any@10 all@10 nDCG@10")
NAMES = tuple(map(str, MEASURES))


def measures(ranked: Sequence[str], evidence: frozenset[str]) -> list[float]:
    """The five measures of one question."""
    run = {"": {key: -float(place) for place, key in enumerate(ranked)}}
    return [value[""] for value in compute(MEASURES, {"": dict.fromkeys(evidence, 1)}, run).values()]


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return {"mean": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def evaluate(memory: Memory, dataset: ConversationDataset, chosen: Sequence[ConversationQuestion]) -> dict[str, Any]:
    """All methods on the questions of one part that have evidence and an answer."""
    scope, key = scope_of(dataset.conversations[0].id), dataset.questions[0].unit
    place = {episode.id: str(episode.metadata[key]) for episode in memory.episodic.timeline(scope)}
    held = set(place.values())
    asked = [one for one in chosen if one.answerable and one.evidence & held]
    values: dict[str, NDArray[np.float64]] = {}
    for name, ranks in METHODS.items():
        rows = []
        for one in asked:
            ranked = list(dict.fromkeys(place[found] for found in ranks(memory, scope, one.text)))
            rows.append(measures(ranked, one.evidence & held))
        values[name] = np.array(rows)
        means = " ".join(f"{measure} {mean:.3f}" for measure, mean in zip(NAMES, values[name].mean(0), strict=True))
        print(f"  {name:28} {means}", flush=True)
    ours = values["retriever"]
    return {
        "questions": len(asked),
        "scores": {
            name: {measure: interval(each[:, number]) for number, measure in enumerate(NAMES)}
            for name, each in values.items()
        },
        "retriever_minus": {
            name: {measure: interval(ours[:, number] - each[:, number]) for number, measure in enumerate(NAMES)}
            for name, each in values.items()
            if name != "retriever"
        },
        "by_category": {
            category: {
                "questions": int(mask.sum()),
                **{
                    name: {
                        measure: round(float(values[name][mask, number].mean()), 4)
                        for number, measure in enumerate(NAMES)
                    }
                    for name in ("bm25", "dense", "dbsf", "retriever")
                },
            }
            for category in sorted({one.category for one in asked})
            if (mask := np.array([one.category == category for one in asked])).any()
        },
    }


# -- abstention ------------------------------------------------------------------------------------------------------


Judged = Sequence[tuple[float, bool, bool]]


def bests(memory: Memory, dataset: ConversationDataset, chosen: Sequence[ConversationQuestion]) -> Judged:
    """Greatest relevance, whether the question has an answer, and whether its evidence is among ten hits."""
    scope, key = scope_of(dataset.conversations[0].id), dataset.questions[0].unit
    retriever = EpisodicRetriever(memory.episodic, config=EpisodicConfig(floor=0))
    found = []
    for one in chosen:
        result = retriever.search(one.text, scope=scope, limit=10)
        hit = bool(one.evidence & {str(each.episode.metadata[key]) for each in result})
        found.append((result.best, one.answerable, hit))
    return found


def abstention(
    fitted: Sequence[tuple[float, bool, bool]], held_out: Sequence[tuple[float, bool, bool]]
) -> dict[str, Any]:
    """Precision and recall of "nothing relevant" at floors, the best of which (F1) was taken on the other part."""
    floors = [round(0.1 + 0.05 * step, 2) for step in range(13)]

    def at(part: Judged, floor: float) -> dict[str, float]:
        refused = [answerable for best, answerable, _ in part if best < floor]
        unanswerable = sum(not answerable for _, answerable, _ in part)
        right = sum(not answerable for answerable in refused)
        answered = [(answerable, hit) for best, answerable, hit in part if best >= floor]
        wrong = sum(not (answerable and hit) for answerable, hit in answered)
        return {
            "floor": floor,
            "precision": round(right / len(refused), 3) if refused else 1.0,
            "recall": round(right / unanswerable, 3) if unanswerable else 0.0,
            "coverage": round(len(answered) / len(part), 3),
            "risk": round(wrong / len(answered), 3) if answered else 0.0,
        }

    def f1(row: dict[str, float]) -> float:
        both = row["precision"] + row["recall"]
        return 2 * row["precision"] * row["recall"] / both if both else 0.0

    best = max((at(fitted, floor) for floor in floors), key=f1)["floor"]
    positive = np.array([best for best, answerable, _ in held_out if answerable])
    negative = np.array([best for best, answerable, _ in held_out if not answerable])
    return {
        "area_under_roc": round(float((positive[:, None] > negative[None]).mean()), 3),
        "unanswerable": len(negative),
        "of": len(held_out),
        "floor_from_other_part": at(held_out, best),
        "table": [at(held_out, floor) for floor in floors],
    }


def parts(dataset: ConversationDataset) -> dict[str, Sequence[ConversationQuestion]]:
    """What settings may be chosen on, and what is reported."""
    if dataset.questions[0].unit == "session":
        return {"chosen on": dataset.questions[::2], "reported": dataset.questions[1::2]}
    return {"chosen on" if dataset.name.endswith("26") else "reported": dataset.questions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--sets", nargs="+", default=["locomo/conv-26", "locomo/conv-30", "lihua_world/lihua"])
    parser.add_argument("--embedder", default="all-MiniLM-L6-v2")
    parser.add_argument("--keep", type=Path, help="folder for the memories; default: a temporary one")
    parser.add_argument("--cache", type=Path, help="file of vectors; default: a temporary one")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "episodic_recall.json")
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    answers: dict[tuple[str, str], Judged] = {}
    with (
        tempfile.TemporaryDirectory() as temporary,
        CachedEmbedder(
            resolve_embedder(options.embedder), options.cache or Path(temporary) / "vectors.sqlite3"
        ) as embedder,
    ):
        for name in options.sets:
            conversation = read(options.data, *name.split("/"))
            folder = (options.keep or Path(temporary)) / name.split("/")[1]
            asked_at = last_time(conversation.conversations)
            with Memory.open(folder, embedder=embedder, clock=lambda moment=asked_at: moment) as memory:
                record(conversation, memory)
                for part, questions in parts(conversation).items():
                    print(f"{name}, {part}: {len(questions)} questions", flush=True)
                    results[f"{name}, {part}"] = evaluate(memory, conversation, questions)
                    answers[name.split("/")[0], part] = bests(memory, conversation, questions)
    unanswered = {
        folder: abstention(answers[folder, "chosen on"], answers[folder, "reported"])
        for folder in ("locomo", "lihua_world")
        if {(folder, "chosen on"), (folder, "reported")} <= answers.keys()
    }
    for folder, row in unanswered.items():
        print(f"nothing relevant, {folder}: {row['area_under_roc']} {row['floor_from_other_part']}")
    result = {
        "command": f"python benchmarks/episodic_recall.py --data DIR --sets {' '.join(options.sets)}"
        f" --embedder {options.embedder}",
        "tercet": version("tercet"),
        "python": platform.python_version(),
        "embedder": embedder.fingerprint,
        "interval": f"95 % percentile bootstrap over questions, {RESAMPLES} resamples, paired",
        "parts": results,
        "nothing relevant": unanswered,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
