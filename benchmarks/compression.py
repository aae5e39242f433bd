"""What compression keeps, beside plain truncation and simpler ways of choosing sentences, and what it costs.

* Gold characters of chunking_eval kept after retrieving 20 chunks (default hybrid search) and compressing them.
* HotpotQA and MuSiQue: questions whose supporting sentences are all kept at a quarter of the tokens. MuSiQue marks
  paragraphs; its supporting sentence is the first one of the paragraph that holds the answer of that step.
* Milliseconds for 5,000 tokens on one core.

Weights were chosen on state_of_the_union and HotpotQA; the other sets are reported. Tokens are code points / 4, rounded
up, omission marks and blank lines included. White space between two kept sentences counts as kept where the text has
it. "all that was retrieved" is what no choice can exceed. Intervals: 95 % percentile bootstrap over questions, paired.

    OMP_NUM_THREADS=1 python benchmarks/compression.py --data DIR --keep DIR
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tercet import (
    CompressionConfig,
    Compressor,
    Document,
    Embedder,
    LexicalConfig,
    Memory,
    Passage,
    SemanticRetriever,
    ingest,
)
from tercet.models.embedding import resolve_embedder
from tercet.models.lexical import Analyzer
from tercet.models.passage_scores import PassageScorer
from tercet.models.sentences import sentence_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BUDGETS = (128, 256, 512, 1024, 2048, 4096)
CORPORA = ("state_of_the_union", "wikitexts", "chatlogs")
CHOSEN_ON = ("state_of_the_union", "hotpotqa")
RESAMPLES = 10_000
Span = tuple[int, int]


class Quarters:
    """Four code points a token."""

    name = "characters/4"

    def count(self, text: str) -> int:
        return -(-len(text) // 4)


class Remembering:
    """An embedder that embeds each text once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self._known = embedder, {}
        self.spec, self.fingerprint, self.dimension = embedder.spec, embedder.fingerprint, embedder.dimension
        self.max_tokens, self.tokenizer_file = embedder.max_tokens, embedder.tokenizer_file

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedder.embed_documents(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        key = f"\0query {text}"
        if key not in self._known:
            self._known[key] = self._embedder.embed_query(text)
        return self._known[key]


def sentences(text: str) -> list[Span]:
    starts = sentence_starts(text)
    return [(a, b) for a, b in zip(starts, [*starts[1:], len(text)], strict=True) if text[a:b].strip()]


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return {
        "mean": round(100 * float(values.mean()), 1),
        "low": round(100 * float(low), 1),
        "high": round(100 * float(high), 1),
    }


# -- gold characters ---------------------------------------------------------------------------------------------------


def share(gold: Sequence[Span], kept: Sequence[Span]) -> float:
    wanted = {place for start, end in gold for place in range(start, end)}
    return len(wanted & {place for start, end in kept for place in range(start, end)}) / len(wanted)


def written(excerpts: Sequence, starts: dict[str, int]) -> list[Span]:
    """What the text has of the source: sentences, and the white space between those that follow one another."""
    found = []
    for excerpt in excerpts:
        shift = starts[excerpt.passage_id]
        spans = [(shift + one.start, shift + one.end) for one in excerpt.sentences]
        # What is left out is marked, so that a gap between sentences which was not marked is white space of the source.
        place = 0
        for before, after in zip(excerpt.sentences, excerpt.sentences[1:], strict=False):
            gap = excerpt.text.index(before.text, place) + len(before.text)
            place = excerpt.text.index(after.text, gap)
            if not excerpt.text[gap:place].strip() and place - gap == after.start - before.end:
                spans.append((shift + before.end, shift + after.start))
        found += spans
    return found


def truncated(hits: Sequence, budget: int) -> list[Span]:
    left, kept = 4 * budget, []
    for hit in hits:
        if left <= 0:
            break
        kept.append((hit.citation.start, hit.citation.start + min(left, len(hit.text))))
        left -= len(hit.text) + 2
    return kept


def simple_scores(question: str, hits: Sequence, analyzer: Analyzer, how: str) -> list[tuple[float, Span]]:
    """Sentence BM25, and twice the parent's score in one of three forms, each divided by its greatest."""
    pieces = [(number, a, b) for number, hit in enumerate(hits) for a, b in sentences(hit.text)]
    asked = analyzer.terms(question)
    words = np.array(PassageScorer([analyzer.terms(hits[n].text[a:b]) for n, a, b in pieces]).scores(asked))
    if how == "bm25":
        parents = np.array(PassageScorer([analyzer.terms(hit.text) for hit in hits]).scores(asked))
    else:
        parents = np.array([hit.score for hit in hits])
        parents = parents - parents.min() if how == "min-max" else parents
    weight = 0.0 if how == "none" else 2.0
    scores = words / (words.max() or 1) + weight * (parents / (parents.max() or 1))[[n for n, _, _ in pieces]]
    starts = [hit.citation.start for hit in hits]
    return [(float(s), (starts[n] + a, starts[n] + b)) for s, (n, a, b) in zip(scores, pieces, strict=True)]


def filled(scored: list[tuple[float, Span]], budget: int) -> list[Span]:
    """The best that fit, those that do not fit passed over; omission marks are charged as if every one stood alone
    unless its neighbour was taken before."""
    left, kept, ends, begins = 4 * budget, [], set(), set()
    for _, (start, end) in sorted(scored, key=lambda one: -one[0]):
        cost = end - start + (1 if start in ends else 3) - (2 if end in begins else 0)
        if cost <= left:
            left -= cost
            kept.append((start, end))
            ends.add(end)
            begins.add(start)
    return kept


def gold_characters(data: Path, keep: Path, embedder: Remembering) -> dict:
    analyzer, counter = Analyzer(LexicalConfig()), Quarters()
    questions = [json.loads(line) for line in (data / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    methods: dict[str, list[list[float]]] = {}
    corpora: list[str] = []
    for corpus in CORPORA:
        text = (data / "corpora" / f"{corpus}.md").read_text(encoding="utf-8")
        with Memory.open(keep / corpus, embedder=embedder) as memory:
            ingest(documents=[Document(uri=corpus, text=text)], into=memory)
            retriever = SemanticRetriever(memory.semantic)
            asked = [one for one in questions if one["corpus_id"] == corpus]
            found = [retriever.search(one["question"], limit=20).hits for one in asked]
        for one, hits in zip(asked, found, strict=True):
            corpora.append(corpus)
            gold = [(span["start_index"], span["end_index"]) for span in one["references"]]
            row: dict[str, list[list[Span]]] = {"truncation": [truncated(hits, budget) for budget in BUDGETS]}
            whole = [(hit.citation.start, hit.citation.start + len(hit.text)) for hit in hits]
            row["all that was retrieved"] = [whole] * len(BUDGETS)
            for how in ("none", "bm25", "max", "min-max"):
                scored = simple_scores(one["question"], hits, analyzer, how)
                name = "sentence BM25" if how == "none" else f"sentence BM25 + 2 parent ({how})"
                row[name] = [filled(scored, budget) for budget in BUDGETS]
            passages = [Passage.from_hit(hit) for hit in hits]
            starts = {hit.chunk_id: hit.citation.start for hit in hits}
            for name, used in (("tercet", None), ("tercet + dense", embedder)):
                compressor = Compressor(counter, embedder=used)
                row[name] = []
                for budget in BUDGETS:
                    result = compressor.compress(one["question"], passages, budget=budget)
                    assert result.tokens <= budget
                    row[name].append(written(result.excerpts, starts))
            for name, kept in row.items():
                methods.setdefault(name, []).append([share(gold, spans) for spans in kept])
    return _summary({name: np.array(rows) for name, rows in methods.items()}, np.array(corpora))


def _summary(methods: dict[str, NDArray[np.float64]], corpora: NDArray[np.str_]) -> dict:
    report: dict = {}
    parts = {"all": corpora != "", "reported": corpora != CHOSEN_ON[0]} | {one: corpora == one for one in CORPORA}
    for part, chosen in parts.items():
        kept = {name: [round(100 * float(v), 1) for v in rows[chosen].mean(axis=0)] for name, rows in methods.items()}
        gains = {
            f"{ours} - {other}": [interval((methods[ours] - rows)[chosen][:, place]) for place in range(len(BUDGETS))]
            for ours in ("tercet", "tercet + dense")
            for other, rows in methods.items()
            if not other.startswith(("tercet", "all that"))
        }
        report[part] = {"questions": int(chosen.sum()), "kept": kept, "gain": gains}
    return report


# -- supporting sentences ----------------------------------------------------------------------------------------------


def load_hops(path: Path) -> list[tuple[str, list[dict], set[tuple[int, int]]]]:
    """Questions, their paragraphs, and the supporting sentences as (paragraph, start)."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        answers: dict[int, list[str]] = {}
        for step in record.get("decomposition", []):
            answers.setdefault(step["paragraph_support_idx"], []).append(step["answer"].casefold())
        paragraphs, gold = [], set()
        for place, paragraph in enumerate(record["paragraphs"]):
            if "sentences" in paragraph:
                text, spans = "", []
                for sentence in paragraph["sentences"]:
                    spans.append(
                        (len(text) + len(sentence) - len(sentence.lstrip()), len(text) + len(sentence.rstrip()))
                    )
                    text += sentence
                gold |= {(place, *spans[one]) for one in paragraph["supporting_sentences"]}
            else:
                text = paragraph["text"]
                for answer in answers.get(place, []) if paragraph["is_supporting"] else []:
                    holds = [(a, b) for a, b in sentences(text) if answer in text[a:b].casefold()]
                    gold |= {(place, a, a + len(text[a:b].rstrip())) for a, b in holds[:1]}
            paragraphs.append({"title": paragraph["title"], "text": text})
        if gold:
            found.append((record["question"], paragraphs, gold))
    return found


def supporting_sentences(path: Path, embedder: Remembering | None) -> dict:
    analyzer, counter = Analyzer(LexicalConfig()), Quarters()
    methods: dict[str, list[float]] = {}
    hops = load_hops(path)
    for question, paragraphs, gold in hops:
        asked = analyzer.terms(question)
        budget = sum(len(one["text"]) for one in paragraphs) // 16
        whole = PassageScorer([analyzer.terms(f"{one['title']} {one['text']}") for one in paragraphs]).scores(asked)
        pieces = [(place, a, b) for place, one in enumerate(paragraphs) for a, b in sentences(one["text"])]
        words = PassageScorer([analyzer.terms(paragraphs[p]["text"][a:b]) for p, a, b in pieces]).scores(asked)
        shift = 1_000_000  # each paragraph at offsets of its own
        scored = [(s, (shift * p + a, shift * p + b)) for s, (p, a, b) in zip(words, pieces, strict=True)]
        row = {"sentence BM25": filled(scored, budget)}
        passages = [
            Passage(id=str(place), text=one["text"], title=one["title"], score=whole[place])
            for place, one in enumerate(paragraphs)
        ]
        for name, used, config in (
            ("tercet, no bridges", None, CompressionConfig(bridge_weight=0)),
            ("tercet", None, None),
            ("tercet + dense", embedder, None),
        ):
            if name.endswith("dense") and embedder is None:
                continue
            result = Compressor(counter, embedder=used, config=config).compress(question, passages, budget=budget)
            row[name] = [(shift * int(s.passage_id) + s.start, shift * int(s.passage_id) + s.end) for s in result.kept]
        for name, kept in row.items():
            covered = {place for start, end in kept for place in range(start, end)}
            complete = all(covered.issuperset(range(shift * p + a, shift * p + b)) for p, a, b in gold)
            methods.setdefault(name, []).append(float(complete))
    values = {name: np.array(found) for name, found in methods.items()}
    return {
        "questions": len(hops),
        "all kept": {name: round(100 * float(found.mean()), 1) for name, found in values.items()},
        "gain": {name: interval(found - values["sentence BM25"]) for name, found in values.items()},
    }


# -- speed -------------------------------------------------------------------------------------------------------------


def speed(data: Path, embedder: Embedder | None) -> dict[str, float]:
    """Milliseconds of processor time for 5,000 tokens in 20 passages at a budget of 1,024, median of 20 after one."""
    text = (data / "corpora" / "wikitexts.md").read_text(encoding="utf-8")
    passages = [Passage(id=str(n), text=text[1000 * n : 1000 * (n + 1)], score=1 / (n + 1)) for n in range(20)]
    found = {}
    for name, used in (("words", None), ("words and dense", embedder)):
        if name != "words" and embedder is None:
            continue
        compressor = Compressor(Quarters(), embedder=used)
        times = []
        for _ in range(21 if used is None else 6):
            began = time.process_time()
            compressor.compress("What is the main theme of the anime adaptation?", passages, budget=1024)
            times.append(1000 * (time.process_time() - began))
        found[name] = round(statistics.median(times[1:]), 1)
    return found


def table(report: dict) -> None:
    for part, found in report["gold characters"].items():
        print(
            f"\n{part} ({found['questions']} questions): gold characters kept, %\n| method | "
            + " | ".join(map(str, BUDGETS))
        )
        for name, row in found["kept"].items():
            print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in row))
        for name, row in found["gain"].items():
            print(
                f"  {name}: " + ", ".join(f"{one['mean']:+.1f} [{one['low']:+.1f}, {one['high']:+.1f}]" for one in row)
            )
    for name in ("hotpotqa", "musique"):
        print(f"\n{name}: all supporting sentences kept at 25 %:", report[name]["all kept"], report[name]["gain"])
    print("\nms for 5,000 tokens:", report["speed"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="holds chunking_eval/, hotpotqa_train100/, musique_train100/"
    )
    parser.add_argument("--keep", type=Path, help="keep the memories here")
    parser.add_argument("--json", type=Path, help="write the report here")
    options = parser.parse_args()
    embedder = resolve_embedder("all-MiniLM-L6-v2")
    with tempfile.TemporaryDirectory() as scratch:
        report = {
            "machine": platform.processor() or platform.machine(),
            "load at start": [round(value, 2) for value in os.getloadavg()],
            "counter": Quarters.name,
            "budgets": BUDGETS,
            "chosen on": CHOSEN_ON,
            "speed": speed(options.data / "chunking_eval", embedder),
            "gold characters": gold_characters(
                options.data / "chunking_eval", options.keep or Path(scratch), Remembering(embedder)
            ),
            "hotpotqa": supporting_sentences(options.data / "hotpotqa_train100/questions.jsonl", None),
            "musique": supporting_sentences(options.data / "musique_train100/questions.jsonl", None),
        }
    table(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
