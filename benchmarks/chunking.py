"""What five chunks hold of the gold spans, by how the text was cut: ours beside a recursive and a fixed splitter.

Each splitter cuts the three corpora of chunking_eval at several sizes, counted by the embedder's own tokenizer. Its
chunks are searched by the same retrieval with its defaults, all corpora together, and the first five are compared with
the gold spans in characters (docs/evals-measures.md):

* ``tercet``: the structural chunker, ``max_tokens`` from 64 to the 256 that all-MiniLM-L6-v2 reads.
* ``recursive``: semchunk, a recursive splitter: at the coarsest separator there is, what is small merged, what is large
  cut at the next finer one.
* ``fixed``: every so many tokens.

None has overlap. A size is a cap, so that mean sizes differ. Of two neighbouring sizes of the other splitter the values
of each question are mixed in the share that makes their mean size, mean number of retrieved tokens or mean recall that
of ours. Where the share comes from the questions themselves (retrieved tokens, recall), what a question has more of it
than the mixture is taken into account with the slope between the two sizes (delta method): the mean stays, and the
interval has the error of the share. ``beside 200`` is the other splitter at 200 tokens and ours mixed. Where the sizes
of one do not reach as far, there is null.

The defaults are measured; none of them was chosen by these figures. What is tried instead of them is chosen on
state_of_the_union and reported on the other two.

    OMP_NUM_THREADS=1 python benchmarks/chunking.py --data DIR --cache FILE

``--cache`` keeps the vectors: a second run embeds nothing again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import semchunk

from tercet import ChunkingConfig, Memory, RetrievalConfig, SemanticRetriever, ingest
from tercet.evals.chunking import span_of
from tercet.evals.datasets import SpanDataset, load_spans
from tercet.evals.embedding_cache import CachedEmbedder
from tercet.evals.span_measures import span_scores
from tercet.evals.statistics import compare, estimate
from tercet.ingestion.chunking import StructuralChunker
from tercet.memory.places import chunk_places
from tercet.models.embedding import resolve_embedder
from tercet.models.tokens import token_counter
from tercet.records import Chunk, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tercet.models.tokens import TokenCounter

HITS = 5
CHOSEN_ON = "state_of_the_union.md"
OUR_SIZES = (64, 80, 96, 128, 160, 192, 224, 256)
SIZES = (96, 128, 160, 200, 250)
"""Of the others. At 250 a chunk that begins within a word, which is then read as more tokens, is still within 256."""
LEGS = {
    "hybrid": RetrievalConfig(),
    "words": RetrievalConfig(dense_weight=0),
    "dense": RetrievalConfig(lexical_weight=0),
}
PER_QUESTION = ("recall", "precision", "iou", "retrieved")
Values = dict[str, dict[str, float]]
"""By name and question; ``retrieved`` is tokens of the chunks."""


# -- splitters -------------------------------------------------------------------------------------------------------


def fixed(text: str, size: int, counter: TokenCounter) -> Iterable[tuple[int, int]]:
    """Every so many tokens."""
    return pairwise([0, *counter.starts(text)[size::size], len(text)])


def recursive(text: str, size: int, counter: TokenCounter) -> Iterable[tuple[int, int]]:
    """What semchunk makes of it."""
    _, offsets = semchunk.chunk(text, size, counter.count, memoize=False, offsets=True)
    return offsets


OTHERS = {"recursive": recursive, "fixed": fixed}


@dataclass(frozen=True)
class Splitter:
    """One of the others, as a chunker."""

    name: str
    size: int
    counter: TokenCounter

    @property
    def version(self) -> str:
        return f"{self.name} {self.size}"

    def chunk(self, document: ParsedDocument, *, uri: str) -> list[Chunk]:
        chunks = []
        for start, end in OTHERS[self.name](document.text, self.size, self.counter):
            body = document.text[start:end].strip()
            if body:
                first = document.text.index(body, start)
                chunks.append(
                    Chunk(
                        id=sha256(f"{uri} {first}".encode()).hexdigest()[:32],
                        text=body,
                        start=first,
                        end=first + len(body),
                        tokens=self.counter.special_tokens + self.counter.count(body),
                    )
                )
        return chunks


# -- one configuration -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What one splitter at one size is worth."""

    size: int
    """The cap."""
    chunks: Mapping[str, int]
    """By document."""
    tokens: Mapping[str, int]
    """Of all chunks of a document, special tokens left out."""
    legs: Mapping[str, Values]

    def mean_size(self, uris: Sequence[str]) -> float:
        return sum(self.tokens[uri] for uri in uris) / sum(self.chunks[uri] for uri in uris)


def measure(dataset: SpanDataset, name: str, size: int, embedder: CachedEmbedder, legs: Sequence[str]) -> Measured:
    """Cut, store and search."""
    counter = token_counter(embedder.tokenizer_file)
    config = ChunkingConfig(max_tokens=size) if name == "tercet" else ChunkingConfig()
    chunker = StructuralChunker(config, counter) if name == "tercet" else Splitter(name, size, counter)
    texts = {one.uri: one.text for one in dataset.documents}
    chunks, tokens = dict.fromkeys(texts, 0), dict.fromkeys(texts, 0)
    with tempfile.TemporaryDirectory() as folder, Memory.open(folder, embedder=embedder, chunking=config) as memory:
        report = ingest(documents=dataset.documents, into=memory, chunker=chunker)
        assert not report.failed, report.failed
        assert not report.truncated, "the embedder would not read all of each chunk"
        for place in chunk_places(memory.database):
            chunks[place.uri] += 1
            tokens[place.uri] += counter.count(texts[place.uri][place.start : place.end])
        return Measured(size, chunks, tokens, {leg: searched(dataset, memory, leg, counter) for leg in legs})


def searched(dataset: SpanDataset, memory: Memory, leg: str, counter: TokenCounter) -> Values:
    retriever = SemanticRetriever(memory.semantic, config=LEGS[leg])
    values: Values = {name: {} for name in PER_QUESTION}
    for one in dataset.questions:
        hits = retriever.search(one.text, limit=HITS).hits
        scores = span_scores(one.spans, map(span_of, hits))
        tokens = sum(counter.count(hit.text) for hit in hits)
        for name, value in zip(PER_QUESTION, (scores.recall, scores.precision, scores.iou, tokens), strict=True):
            values[name][one.id] = float(value)
    return values


# -- comparisons -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """The documents and questions that a row is about."""

    uris: tuple[str, ...]
    questions: tuple[str, ...]


Point = dict[str, dict[str, float]]
"""One size of a splitter: values by name and question; ``size`` is the mean size of all chunks, for each question."""


def curve(measured: Sequence[Measured], part: Part, leg: str) -> list[Point]:
    """A point for each size, small sizes first."""
    return [
        {name: {key: values[key] for key in part.questions} for name, values in one.legs[leg].items()}
        | {"size": dict.fromkeys(part.questions, one.mean_size(part.uris))}
        for one in measured
    ]


def mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)


def at_equal(by: str, one: Point, points: Sequence[Point], of: str) -> dict[str, float] | None:
    """Values of a curve where its mean of ``by`` is that of a point; None where it does not reach that."""
    wanted = mean(one[by])
    for low, high in pairwise(points):
        begin, end = mean(low[by]), mean(high[by])
        if begin <= wanted <= end and begin < end:
            share = (wanted - begin) / (end - begin)
            slope = (mean(high[of]) - mean(low[of])) / (end - begin)
            # The last term has the mean 0; its spread is what the share owes to these very questions.
            return {
                key: (1 - share) * low[of][key]
                + share * high[of][key]
                + slope * (one[by][key] - (1 - share) * low[by][key] - share * high[by][key])
                for key in one[of]
            }
    return None


def brief(ours: Mapping[str, float] | None, other: Mapping[str, float] | None, name: str) -> dict[str, Any] | None:
    """Ours minus the other, or nothing where one of them is not there."""
    if ours is None or other is None:
        return None
    found = compare(other, ours, measure=name)
    return {
        "other": round(found.baseline, 4),
        "ours": round(found.candidate, 4),
        "difference": [round(value, 4) for value in (found.difference, found.low, found.high)],
        "p": round(found.p, 4),
        "verdict": {"candidate": "ours", "baseline": "other"}.get(found.verdict, found.verdict),
    }


EQUAL = (("size", "recall"), ("retrieved", "recall"), ("recall", "iou"))
"""What is made equal, and what is compared."""


def beside(theirs: Point, ours: Sequence[Point]) -> dict[str, Any]:
    """The other splitter at one size, ours mixed."""
    return {"mean size": round(mean(theirs["size"]), 1)} | {
        f"{of} at equal {by}": brief(at_equal(by, theirs, ours, of), theirs[of], of) for by, of in EQUAL
    }


def at_ours(ours: Point, theirs: Sequence[Point]) -> dict[str, Any]:
    """Ours at one size, the other splitter mixed."""
    return {"mean size": round(mean(ours["size"]), 1)} | {
        f"{of} at equal {by}": brief(ours[of], at_equal(by, ours, theirs, of), of) for by, of in EQUAL
    }


def over_sizes(ours: Sequence[Point], theirs: Sequence[Point], by: str, of: str) -> dict[str, Any] | None:
    """The mean over all of our sizes that the other splitter reaches."""
    pairs = [(point[of], other) for point in ours if (other := at_equal(by, point, theirs, of)) is not None]
    if not pairs:
        return None
    sides = [{key: sum(pair[side][key] for pair in pairs) / len(pairs) for key in pairs[0][0]} for side in (0, 1)]
    return {"sizes": len(pairs)} | (brief(sides[0], sides[1], of) or {})


def compared(results: Mapping[str, Sequence[Measured]], part: Part, leg: str) -> dict[str, Any]:
    """Ours beside each of the others."""
    ours = curve(results["tercet"], part, leg)
    found: dict[str, Any] = {}
    for name in OTHERS:
        theirs = curve(results[name], part, leg)
        at_200 = next(point for one, point in zip(results[name], theirs, strict=True) if one.size == 200)
        found[name] = {
            "beside 200": beside(at_200, ours),
            "at our sizes": {
                one.size: at_ours(point, theirs) for one, point in zip(results["tercet"], ours, strict=True)
            },
            "mean over our sizes": {f"{of} at equal {by}": over_sizes(ours, theirs, by, of) for by, of in EQUAL},
        }
    return found


def table(results: Mapping[str, Sequence[Measured]], part: Part, leg: str) -> list[dict[str, Any]]:
    """What was measured."""
    rows = []
    for name, measured in results.items():
        for one, point in zip(measured, curve(measured, part, leg), strict=True):
            row: dict[str, Any] = {"splitter": name, "size": one.size, "mean size": round(mean(point["size"]), 1)}
            for value in ("recall", "iou"):
                found = estimate(point[value])
                row[value] = [round(number, 4) for number in (found.mean, found.low, found.high)]
            row |= {value: round(mean(point[value]), 4) for value in ("precision", "retrieved")}
            rows.append(row)
    return rows


def parts(dataset: SpanDataset) -> dict[str, Part]:
    """What is chosen on, what is reported, all, and the reported corpora alone."""
    others = tuple(one.uri for one in dataset.documents if one.uri != CHOSEN_ON)
    groups = {"chosen on": (CHOSEN_ON,), "reported": others, "all": (CHOSEN_ON, *others)}
    groups |= {uri.removesuffix(".md"): (uri,) for uri in others}
    return {
        name: Part(uris, tuple(one.id for one in dataset.questions if one.spans[0].uri in uris))
        for name, uris in groups.items()
    }


def summary(dataset: SpanDataset, results: Mapping[str, Sequence[Measured]], legs: Sequence[str]) -> dict[str, Any]:
    return {
        name: {"questions": len(part.questions)}
        | {leg: {"compared": compared(results, part, leg), "table": table(results, part, leg)} for leg in legs}
        for name, part in parts(dataset).items()
    }


def facts(fingerprint: str, legs: Sequence[str]) -> dict[str, Any]:
    return {
        "command": f"python benchmarks/chunking.py --data DIR --legs {' '.join(legs)}",
        "tercet": version("tercet"),
        "semchunk": version("semchunk"),
        "python": platform.python_version(),
        "embedder": fingerprint,
        "chunks retrieved": HITS,
        "chosen on": CHOSEN_ON,
        "interval": "95 %, paired by question, tercet.evals.statistics",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", shared)))
    parser.add_argument("--embedder", default="all-MiniLM-L6-v2")
    parser.add_argument("--cache", type=Path, help="file of vectors; default: a temporary one")
    parser.add_argument("--legs", nargs="+", choices=tuple(LEGS), default=["hybrid", "words"])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "chunking.json")
    options = parser.parse_args()
    dataset = load_spans(options.data / "chunking_eval")
    results: dict[str, list[Measured]] = {}
    with (
        tempfile.TemporaryDirectory() as temporary,
        CachedEmbedder(
            resolve_embedder(options.embedder), options.cache or Path(temporary) / "vectors.sqlite3"
        ) as embedder,
    ):
        for name, sizes in ({"tercet": OUR_SIZES} | dict.fromkeys(OTHERS, SIZES)).items():
            for size in sizes:
                one = measure(dataset, name, size, embedder, options.legs)
                results.setdefault(name, []).append(one)
                means = " ".join(f"{key} {mean(row):.3f}" for key, row in one.legs[options.legs[0]].items())
                print(f"{name:10} {size:4} {one.mean_size(list(one.chunks)):6.1f} {means}", flush=True)
    result = facts(embedder.fingerprint, options.legs) | {"parts": summary(dataset, results, options.legs)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
