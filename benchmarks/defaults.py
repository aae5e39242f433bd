"""The sweep behind the defaults of retrieval: chosen on some sets, confirmed on others.

Every setting is varied alone, from the present default. The value that is best on the choosing parts (mean of nDCG@10
over the parts) is compared with the default on the confirming questions, which nothing was chosen on: paired
differences, 95 % intervals, p values adjusted for the number of settings (Holm). A default changes only where the
interval over all confirming questions lies above 0; else there is no difference, and the cheaper stays.

Beside the settings that exist, ways that need no other model are tried here before they are built: RM3, feedback on
vectors, MaxSim over the embedder's own token vectors, titles that the words see twice or not at all.

Chunks and vectors come out of memories that the eval harness makes, with its embedding cache. For each set it is
checked that the default worked out by ``variants.py`` gives the scores of ``SemanticRetriever``.

    python benchmarks/defaults.py --data DIR --cache FILE [--tokens FILE]

``--tokens`` keeps the token vectors of MaxSim (about 165 KB a chunk); without it, MaxSim is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, replace
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from late_interaction import TokenVectors
from sqlalchemy import select
from variants import DEFAULT, Collected, Method, Question

from tercet import SemanticRetriever
from tercet.evals.configuration import make_configuration
from tercet.evals.datasets import RetrievalDataset, SpanDataset, load_beir, load_spans
from tercet.evals.embedding_cache import CachedEmbedder
from tercet.evals.grids import grid
from tercet.evals.measures import parse_measure
from tercet.evals.running import prepared
from tercet.evals.statistics import Difference, compare, holm
from tercet.evals.sweeping import sweep as sweep_configurations
from tercet.evals.tasks import make_task
from tercet.memory.database import chunks
from tercet.models.embedding import resolve_embedder
from tercet.models.lexical import Analyzer, term_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tercet.evals.datasets import Dataset
    from tercet.memory.memory import Memory
    from tercet.models.embedding import Embedder

NDCG = parse_measure("nDCG@10")
MTRAG_DOCUMENTS = 800
"""Of 10,724: all that are judged, and others drawn by the hash of their id."""
CHUNK_SIZES = [256, 128]
TIMED = 20
"""Chunks on which the cost of MaxSim is measured."""
SQUAD_ARTICLES = 6
"""Of the 24 that questions are asked about."""
QUESTIONS = 300
"""Of a set that has more, drawn by the harness under seed 0."""
CHECKED = 40
"""Questions of a set on which the search worked out here is compared with the product's."""
TOLERANCE = 1e-3
"""Of scores from 0 to 1, in that comparison: an index keeps its numbers in a form of its own."""
FAMILIES: dict[str, dict[str, Method]] = {
    "fusion": {name: Method(fusion=name) for name in ("rrf", "minmax")},
    "weights": {
        f"words {words:g} : meaning {meaning:g}": Method(lexical_weight=words, dense_weight=meaning)
        for words, meaning in [(3, 1), (2, 1), (1.5, 1), (1, 1.5), (1, 2)]
    },
    "candidates": {str(count): Method(candidates=count) for count in (50, 100, 400)},
    "BM25": {
        f"k1 {k1:g}, b {b:g}": Method(k1=k1, b=b)
        for k1, b in [(0.9, 0.4), (1.2, 0.4), (1.2, 0.9), (1.5, 0.75), (2.0, 0.75), (2.0, 0.9)]
    },
    "title": {name: Method(title=name) for name in ("never", "twice", "path twice")},
    "RM3": {
        f"{count} chunks, {terms} terms, own weight {weight:g}": Method(rm3=(count, terms, weight))
        for count, terms, weight in [(3, 10, 0.5), (5, 10, 0.5), (5, 20, 0.7), (10, 10, 0.7), (3, 10, 0.8)]
    },
    "vector feedback": {
        f"{count} chunks, weight {weight:g}": Method(feedback=(count, weight))
        for count, weight in [(1, 0.3), (3, 0.2), (3, 0.4), (5, 0.3)]
    },
    "MaxSim": {
        f"{depth} chunks, {'alone' if weight == 1 else f'weight {weight:g}'}": Method(max_sim=(depth, weight))
        for depth, weight in [(20, 1.0), (50, 1.0), (20, 0.5), (50, 0.5), (20, 0.25)]
    },
}


# -- what is searched --------------------------------------------------------------------------------------------------


def collect(name: str, cut: str, dataset: Dataset, memory: Memory) -> Collected:
    """Take the chunks out of a memory, with their vectors, and the questions with theirs."""
    with memory.database.read() as connection:
        rows = list(connection.execute(select(chunks.c.id).order_by(chunks.c.id)).scalars())
    stored = memory.semantic.load(rows)
    vectors = memory.semantic.vectors(rows)
    found = [(stored[row].uri, stored[row].chunk) for row in rows]
    analyzer, embedder = Analyzer(memory.lexical), memory.embedder
    assert embedder is not None
    if isinstance(dataset, RetrievalDataset):
        units, asked, qrels = [uri for uri, _ in found], dataset.queries, dataset.qrels
    else:
        assert isinstance(dataset, SpanDataset)
        units = [f"{uri}:{chunk.start}" for uri, chunk in found]
        asked = {one.id: one.text for one in dataset.questions}
        given = {document.uri: document.text for document in dataset.documents}
        qrels = {}
        for one in dataset.questions:
            quotes = [(span, given[span.uri][span.start : span.end]) for span in one.spans]
            qrels[one.id] = {
                f"{uri}:{chunk.start}": 1
                for uri, chunk in found
                for span, quote in quotes
                if uri == span.uri and chunk.start <= span.start and span.end <= chunk.end and quote in chunk.text
            }
    return Collected(
        name=name,
        cut=cut,
        analyzer=analyzer,
        ids=[chunk.id for _, chunk in found],
        units=units,
        parts=[(chunk.title, chunk.heading_path, chunk.lead, chunk.text) for _, chunk in found],
        vectors=np.stack([vectors[row] for row in rows]),
        questions={
            key: Question(
                text=text,
                terms=_by_id(analyzer.query(text)),
                vector=embedder.embed_query(text),
            )
            for key, text in asked.items()
            if qrels.get(key)
        },
        qrels=qrels,
    )


def _by_id(terms: Mapping[str, float]) -> dict[int, float]:
    found: dict[int, float] = {}
    for term, weight in terms.items():
        found[term_id(term)] = found.get(term_id(term), 0.0) + weight
    return found


def differs(collected: Collected, memory: Memory) -> float:
    """Largest difference of a score between the search worked out here and the product's, over the best ten chunks."""
    retriever = SemanticRetriever(memory.semantic)
    most = 0.0
    for key, question in list(collected.questions.items())[:CHECKED]:
        here = {chunk.chunk_id: chunk.score for chunk in collected.fused(key, DEFAULT).chunks}
        for hit in retriever.search(question.text, limit=10):
            most = max(most, abs(hit.score - here.get(hit.chunk_id, 0.0)))
    return most


def mtrag(folder: Path) -> RetrievalDataset:
    """Part of the documents: all that are judged, and others."""
    whole = load_beir(folder)
    judged = {uri for one in whole.qrels.values() for uri in one}
    others = sorted(
        (document.uri for document in whole.documents if document.uri not in judged),
        key=lambda uri: blake2b(uri.encode()).digest(),
    )
    kept = judged | set(others[: MTRAG_DOCUMENTS - len(judged)])
    return replace(whole, documents=tuple(one for one in whole.documents if one.uri in kept))


def squad(folder: Path, count: int) -> SpanDataset:
    """The first articles by name that questions are asked about, with their questions."""
    whole = load_spans(folder)
    asked = sorted({span.uri for one in whole.questions for span in one.spans})[:count]
    return replace(
        whole,
        documents=tuple(one for one in whole.documents if one.uri in asked),
        questions=tuple(one for one in whole.questions if all(span.uri in asked for span in one.spans)),
    )


SETS = {
    "cookbook_codebase": ("given", lambda data: load_beir(data / "cookbook_codebase")),
    "nq_oracle_mini": ("given", lambda data: load_beir(data / "nq_oracle_mini")),
    "squad_docs": ("structural", lambda data: squad(data / "squad_docs", SQUAD_ARTICLES)),
    "scifact": ("given", lambda data: load_beir(data / "scifact")),
    "mtrag_clapnq": ("given", lambda data: mtrag(data / "mtrag_clapnq")),
    "xquad/en": ("given", lambda data: load_beir(data / "xquad" / "en")),
}
CHOOSE = ("cookbook_codebase, odd", "nq_oracle_mini", "squad_docs")
CONFIRM = ("cookbook_codebase, even", "scifact", "mtrag_clapnq", "xquad/en")
CUT = ("cookbook_codebase",)
"""Measured in structural chunks as well."""
LATE = ("cookbook_codebase, odd", "nq_oracle_mini", "cookbook_codebase, even")
"""Where MaxSim is tried: it needs every token's vector."""


# -- choosing and confirming -------------------------------------------------------------------------------------------


class Sweep:
    """Values of every method on every part, each worked out once."""

    def __init__(self, sets: Mapping[str, Collected], tokens: TokenVectors | None) -> None:
        self._sets = sets
        self._tokens = tokens
        self._values: dict[tuple[str, Method], dict[str, float]] = {}

    def values(self, part: str, method: Method) -> dict[str, float]:
        """nDCG@10 by question."""
        if (part, method) not in self._values:
            collected, keys = self.part(part)
            run = {key: collected.search(key, method, self._tokens) for key in keys}
            self._values[part, method] = NDCG.per_query({key: collected.qrels[key] for key in keys}, run)
        return self._values[part, method]

    def part(self, part: str) -> tuple[Collected, list[str]]:
        """A set, and the questions of a part of it: the odd or the even ones, counted from 1, or all."""
        name, _, half = part.partition(", ")
        keys = list(self._sets[name].questions)
        return self._sets[name], keys[0::2] if half == "odd" else keys[1::2] if half == "even" else keys

    def parts(self, parts: Sequence[str], family: str) -> list[str]:
        known = [part for part in parts if part.partition(", ")[0] in self._sets]
        return [part for part in known if family != "MaxSim" or part in LATE]

    def choose(self, family: str) -> dict[str, object]:
        """Means on the choosing parts; the best by their mean, the default where nothing is better."""
        parts = self.parts(CHOOSE, family)
        table = {
            name: {part: mean(self.values(part, method)) for part in parts}
            for name, method in {"default": DEFAULT, **FAMILIES[family]}.items()
        }
        means = {name: sum(row.values()) / len(row) for name, row in table.items()}
        best = max(means, key=lambda name: (round(means[name], 6), name == "default"))
        return {"chosen on": parts, "values": table, "means": rounded(means), "chosen": best}

    def confirm(self, family: str, name: str) -> dict[str, Difference]:
        """Paired differences to the default on the confirming parts, and on all their questions together."""
        found, before, after = {}, {}, {}
        for part in self.parts(CONFIRM, family):
            old, new = self.values(part, DEFAULT), self.values(part, FAMILIES[family][name])
            found[part] = compare(old, new, measure=str(NDCG))
            before.update({f"{part} {key}": value for key, value in old.items()})
            after.update({f"{part} {key}": value for key, value in new.items()})
        return {**found, "all": compare(before, after, measure=str(NDCG))}


def mean(values: Mapping[str, float]) -> float:
    return round(sum(values.values()) / len(values), 4)


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def brief(difference: Difference) -> dict[str, object]:
    kept = ("baseline", "candidate", "difference", "low", "high", "p", "wins", "losses", "count", "detectable")
    values = asdict(difference)
    return {
        **{name: round(values[name], 4) if isinstance(values[name], float) else values[name] for name in kept},
        "verdict": difference.verdict,
    }


def swept(
    sweep: Sweep, families: Sequence[str], write: Callable[[Mapping[str, object]], None]
) -> dict[str, dict[str, object]]:
    """Choose for each family, then confirm what was chosen; p values over all questions adjusted by Holm."""
    result: dict[str, dict[str, object]] = {}
    confirmed: dict[str, dict[str, Difference]] = {}
    for family in families:
        began = time.perf_counter()
        result[family] = sweep.choose(family)
        chosen = str(result[family]["chosen"])
        if chosen != "default":
            confirmed[family] = sweep.confirm(family, chosen)
        adjusted = dict(zip(confirmed, holm(found["all"] for found in confirmed.values()), strict=True))
        for name, found in confirmed.items():
            result[name]["confirmed"] = {part: brief(one) for part, one in {**found, "all": adjusted[name]}.items()}
            better = adjusted[name].verdict == "candidate"
            result[name]["verdict"] = "better" if better else "no difference: keep the default"
        print(f"{family}: {chosen} ({time.perf_counter() - began:.0f} s)", flush=True)
        write(result)
    for family, one in adjusted.items() if confirmed else ():
        print(f"  {family}, {result[family]['chosen']}: {one}", flush=True)
    return result


def cuts(sets: Mapping[str, Collected]) -> dict[str, object]:
    """A set as given and in chunks, each leg and both: what cutting alone changes."""
    legs = {"words": Method(dense_weight=0), "meaning": Method(lexical_weight=0), "both": DEFAULT}
    given, cut = Sweep({"set": sets["given"]}, None), Sweep({"set": sets["structural"]}, None)
    return {
        leg: brief(compare(given.values("set", method), cut.values("set", method), measure=str(NDCG)))
        for leg, method in legs.items()
    }


def sizes(data: Path, embedder: Embedder) -> dict[str, object]:
    """Chunk sizes, by the share of the answers that a context of as many tokens keeps; a sweep of the harness."""
    task = make_task(squad(data / "squad_docs", SQUAD_ARTICLES), measures="SpanRecall@5 SpanIoU@5")
    variants = grid({"budgets": [512, 1024]}, [("chunking.max_tokens", CHUNK_SIZES)])
    with tempfile.TemporaryDirectory() as folder:
        found = sweep_configurations(task, variants, out=Path(folder) / "sweep", embedder=embedder)
    return {
        "questions": task.facts.questions,
        "chunks": {one.variant.name: one.cost.chunks for one in found.points},
        "differences": {
            measure: {name: brief(one) for name, one in by_name.items()}
            for measure, by_name in found.differences.items()
        },
    }


def late_cost(collected: Collected, tokens: TokenVectors) -> dict[str, float]:
    """What MaxSim takes: vectors of tokens are either kept with each chunk, or made for each question."""
    texts = [collected.text(row) for row in range(0, len(collected.ids), max(1, len(collected.ids) // TIMED))][:TIMED]
    tokens.encode(texts[:1])  # loads the weights
    began = time.process_time()
    lengths = [len(rows) for rows in tokens.encode(texts)]
    spent = time.process_time() - began
    return {
        "tokens a chunk": round(statistics.fmean(lengths), 1),
        "bytes a chunk, kept as float16": round(2 * collected.vectors.shape[1] * statistics.fmean(lengths)),
        f"processor seconds a question, {TIMED} chunks made anew": round(spent, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--cache", type=Path, required=True, help="the embedding cache")
    parser.add_argument("--tokens", type=Path, help="file of token vectors; without it MaxSim is left out")
    parser.add_argument("--keep", type=Path, help="folder for the memories; default: temporary ones")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--sizes", action="store_true", help="chunk sizes as well: texts are embedded anew for them")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "defaults.json")
    options = parser.parse_args()
    resolved = resolve_embedder("all-MiniLM-L6-v2")
    sets: dict[str, Collected] = {}
    facts: dict[str, object] = {}
    cutting: dict[str, object] = {}
    with CachedEmbedder(resolved, options.cache) as embedder:

        def collected(name: str, cut: str, dataset: Dataset) -> Collected:
            settings = {"chunker": "structural" if cut == "structural" else "none"}
            task = make_task(dataset, limit=min(QUESTIONS, dataset.facts("").questions))
            keep = options.keep / f"{name.replace('/', '-')}-{cut}" if options.keep else None
            began = time.perf_counter()
            with prepared(task, make_configuration(settings), embedder=embedder, keep=keep) as ready:
                found = collect(name, cut, task.dataset, ready.memory)
                off = differs(found, ready.memory)
            assert off < TOLERANCE, f"{name}: the default worked out here differs from the product's by {off}"
            facts[f"{name}, {cut}"] = {
                "documents": ready.stored.documents,
                "chunks": ready.stored.chunks,
                "questions": len(found.questions),
                "largest difference to the product's score": off,
            }
            print(f"{name}, {cut}: {facts[f'{name}, {cut}']} ({time.perf_counter() - began:.0f} s)", flush=True)
            return found

        for name in options.sets:
            cut, load = SETS[name]
            dataset = load(options.data)
            sets[name] = collected(name, cut, dataset)
            if name in CUT:
                other = collected(name, "structural", dataset)
                cutting[name] = cuts({"given": sets[name], "structural": other})
        tokens = TokenVectors(resolved.folder.path, options.tokens, resolved.dimension) if options.tokens else None
        result: dict[str, object] = {
            "command": "python benchmarks/defaults.py --data DIR --cache FILE"
            + (" --tokens FILE" if tokens else "")
            + (" --sizes" if options.sizes else ""),
            "tercet": version("tercet"),
            "python": platform.python_version(),
            "embedder": resolved.fingerprint,
            "dtype": resolved.dtype,
            "measure": str(NDCG),
            "chosen on": CHOOSE,
            "confirmed on": CONFIRM,
            "sets": facts,
            "as given against structural chunks": cutting,
        }

        def write(found: Mapping[str, object]) -> None:
            result.update(found)
            options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

        families = [one for one in options.families if one != "MaxSim" or tokens]
        swept(Sweep(sets, tokens), families, lambda found: write({"families": found}))
        if tokens:
            write({"MaxSim costs": late_cost(next(iter(sets.values())), tokens)})
        if options.sizes:
            write({"chunk size, squad_docs": sizes(options.data, embedder)})
        write({"texts embedded in this run": embedder.embedded})


if __name__ == "__main__":
    main()
