"""Which turns of a conversation a question finds: ``EpisodicRetriever`` beside each of its parts alone.

LoCoMo asks for turns: recall counts turns. LiHua-World asks for sessions: recall counts sessions, in the order in which
the hits first name them. ``any``: at least one piece of evidence is among the first k; ``all``: each of them is.
Everything was chosen on conversation 26 and on LiHua's even questions; conversation 30 and the odd questions were left
for the report. Intervals are 95 % percentile bootstrap over questions, the same resamples for every method.

    python benchmarks/episodic_recall.py --data DIR            # DIR holds locomo/ and lihua_world/

``--keep DIR`` keeps the memories there: a second run embeds no turn again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tercet import EpisodicConfig, EpisodicRetriever, Memory, Scope, Turn
from tercet.models.embedding import resolve_embedder
from tercet.retrieval.fusion import Leg, fuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tercet import Embedder

RESAMPLES = 10_000
DEPTH = 200
HITS = 50
LOCOMO_DATE = "%I:%M %p on %d %B, %Y"
LIHUA_DATE = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class Question:
    """A question and what answers it; ``evidence`` is empty when nothing does."""

    text: str
    category: str
    evidence: frozenset[str]
    answerable: bool


@dataclass(frozen=True)
class Conversation:
    name: str
    turns: dict[str, list[tuple[str, Turn]]]
    """By session: turns with their ids."""
    questions: list[Question]
    by_session: bool


def read(data: Path, folder: str, conversation: str) -> Conversation:
    """One conversation with its questions."""
    lines = (data / folder / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
    record = next(one for one in map(json.loads, lines) if one["conv_id"] == conversation)
    form = LOCOMO_DATE if folder == "locomo" else LIHUA_DATE
    sessions: dict[str, list[tuple[str, Turn]]] = {}
    for session in record["sessions"]:
        began = datetime.strptime(session["date"], form).replace(tzinfo=UTC)
        sessions[session["session_id"]] = [
            (
                turn["turn_id"],
                Turn(
                    actor=turn["speaker"],
                    text=turn["text"],
                    occurred_at=began + timedelta(seconds=30 * place),
                    metadata={"turn": turn["turn_id"], "session": session["session_id"]},
                ),
            )
            for place, turn in enumerate(session["turns"])
            if turn["text"].strip()
        ]
    asked = map(json.loads, (data / folder / "questions.jsonl").read_text(encoding="utf-8").splitlines())
    questions = [
        Question(
            text=one["question"],
            category=one["category"],
            evidence=frozenset(one.get("evidence", one.get("evidence_sessions", []))),
            answerable=one["category"] not in {"adversarial", "Null"},
        )
        for one in asked
        if one["conv_id"] == conversation
    ]
    return Conversation(f"{folder} {conversation}", sessions, questions, by_session=folder == "lihua_world")


def latest(conversation: Conversation) -> datetime:
    """When the last turn was said: the time of every question."""
    return max(turn.occurred_at for turns in conversation.turns.values() for _, turn in turns if turn.occurred_at)


def load(memory: Memory, conversation: Conversation) -> None:
    """Record all turns, each session as a conversation; recording them again changes nothing."""
    scope = Scope(user=conversation.name)
    for session, turns in conversation.turns.items():
        memory.episodic.record_turns([turn for _, turn in turns], scope=scope, conversation=session, embed=False)
    memory.episodic.embed_missing()


# -- ways to rank ----------------------------------------------------------------------------------------------------


class QueriesOnce:
    """An embedder that embeds each query once, however many methods ask."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._queries: dict[str, NDArray[np.float32]] = {}
        self.spec, self.fingerprint = embedder.spec, embedder.fingerprint
        self.dimension, self.max_tokens = embedder.dimension, embedder.max_tokens
        self.tokenizer_file = embedder.tokenizer_file

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        if text not in self._queries:
            self._queries[text] = self._embedder.embed_query(text)
        return self._queries[text]


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

MEASURES = ("any@5", "all@5", "any@10", "all@10", "nDCG@10")


def measures(ranked: Sequence[str], evidence: frozenset[str]) -> list[float]:
    """The five measures of one question."""
    values = []
    for depth in (5, 10):
        hits = evidence & set(ranked[:depth])
        values += [float(bool(hits)), float(hits == evidence)]
    gain = sum(1 / math.log2(place + 2) for place, key in enumerate(ranked[:10]) if key in evidence)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(10, len(evidence))))
    return [*values, gain / ideal]


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return {"mean": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def evaluate(memory: Memory, conversation: Conversation, chosen: Sequence[Question]) -> dict[str, Any]:
    """All methods on the questions of one part that have evidence and an answer."""
    scope = Scope(user=conversation.name)
    key = "session" if conversation.by_session else "turn"
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
        means = " ".join(f"{measure} {mean:.3f}" for measure, mean in zip(MEASURES, values[name].mean(0), strict=True))
        print(f"  {name:28} {means}", flush=True)
    ours = values["retriever"]
    return {
        "questions": len(asked),
        "scores": {
            name: {measure: interval(each[:, number]) for number, measure in enumerate(MEASURES)}
            for name, each in values.items()
        },
        "retriever_minus": {
            name: {measure: interval(ours[:, number] - each[:, number]) for number, measure in enumerate(MEASURES)}
            for name, each in values.items()
            if name != "retriever"
        },
        "by_category": {
            category: {
                "questions": int(mask.sum()),
                **{
                    name: {
                        measure: round(float(values[name][mask, number].mean()), 4)
                        for number, measure in enumerate(MEASURES)
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


def bests(memory: Memory, conversation: Conversation, chosen: Sequence[Question]) -> Judged:
    """Greatest relevance, whether the question has an answer, and whether its evidence is among ten hits."""
    scope = Scope(user=conversation.name)
    key = "session" if conversation.by_session else "turn"
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


def parts(conversation: Conversation) -> dict[str, list[Question]]:
    """What settings may be chosen on, and what is reported."""
    if conversation.by_session:
        return {"chosen on": conversation.questions[::2], "reported": conversation.questions[1::2]}
    return {"chosen on" if conversation.name.endswith("26") else "reported": conversation.questions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--sets", nargs="+", default=["locomo/conv-26", "locomo/conv-30", "lihua_world/lihua"])
    parser.add_argument("--embedder", default="all-MiniLM-L6-v2")
    parser.add_argument("--keep", type=Path, help="folder for the memories; default: a temporary one")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "episodic_recall.json")
    options = parser.parse_args()
    embedder = QueriesOnce(resolve_embedder(options.embedder))
    results: dict[str, dict[str, Any]] = {}
    answers: dict[tuple[str, str], Judged] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.sets:
            conversation = read(options.data, *name.split("/"))
            folder = (options.keep or Path(temporary)) / name.split("/")[1]
            with Memory.open(folder, embedder=embedder, clock=partial(latest, conversation)) as memory:
                load(memory, conversation)
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
