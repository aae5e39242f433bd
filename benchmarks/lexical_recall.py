"""What the words of a query find by themselves: exact identifiers in documentation, and questions in other languages.

    python benchmarks/lexical_recall.py --data ../shared/data [--json benchmarks/results/lexical_recall.json]

Both go through ``ingest`` and ``SemanticRetriever`` with the default settings, without an embedder. Identifiers are
sampled from code in the documentation corpora: names with an underscore, a dot or an inner capital, options such as
``--reload``, and error codes. A query is the identifier alone. It is found when one of the first five chunks holds it
letter by letter. XQuAD has the same questions on the same paragraphs in several languages; recall@10 is the share of
questions whose paragraph is among the first ten.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import tempfile
from pathlib import Path

from tercet import Document, LexicalConfig, Memory, SemanticRetriever, ingest

HERE = Path(__file__).parent
CODE = re.compile(r"`([^`\n]+)`")
KINDS = {
    "option": re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:[-._][a-z0-9]+)*(?![\w-])"),
    "snake_case": re.compile(r"(?<![\w.-])[a-z]+(?:_[a-z0-9]+)+(?![\w.])"),
    "CamelCase": re.compile(r"(?<![\w.])[A-Za-z][a-z0-9]+(?:[A-Z][a-z0-9]+)+(?![\w.])"),
    "dotted": re.compile(r"(?<![\w./-])[A-Za-z_]\w+(?:\.[A-Za-z_]\w+)+(?![\w/])"),
    "code": re.compile(r"(?<![\w-])[A-Z]{1,5}-?\d{3,5}(?![\w-])"),
}
CORPORA = ("fastapi", "flask", "pydantic", "drf", "prometheus", "polars", "rust_book")
LANGUAGES = {"de": "german", "es": "spanish", "ru": "russian", "en": "english", "zh": "none"}
SAMPLE = 200


def exactly(identifier: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w]){re.escape(identifier)}(?![\w])")


def identifiers(data: Path) -> dict[str, object]:
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as folder, Memory.open(folder, embedder="none") as memory:
        for corpus in CORPORA:
            ingest(data / "docs_corpora" / corpus, into=memory)
        retriever = SemanticRetriever(memory.semantic)
        texts = [path.read_text("utf-8", "replace") for path in (data / "docs_corpora").rglob("*.md")]
        code = "\n".join(span for text in texts for span in CODE.findall(text))
        result: dict[str, object] = {}
        for kind, pattern in KINDS.items():
            known = sorted(set(pattern.findall(code)))
            sample = chance.sample(known, min(SAMPLE, len(known)))
            missed = []
            for identifier in sample:
                hits = retriever.search(identifier, limit=5)
                wanted = exactly(identifier)
                if not any(
                    wanted.search(hit.text) or wanted.search(" ".join(hit.citation.heading_path)) for hit in hits
                ):
                    missed.append(identifier)
            result[kind] = {
                "queries": len(sample),
                "recall@5": round(1 - len(missed) / len(sample), 4) if sample else None,
                "missed": missed,
            }
            print(kind, result[kind], flush=True)
    return result


def xquad(data: Path) -> dict[str, object]:
    with (data / "xquad" / "qrels" / "test.tsv").open(encoding="utf-8") as file:
        wanted = dict(line.split("\t")[:2] for line in file.read().splitlines()[1:])
    result: dict[str, object] = {}
    for short, language in LANGUAGES.items():
        rows = [json.loads(line) for line in (data / "xquad" / short / "corpus.jsonl").open(encoding="utf-8")]
        queries = [json.loads(line) for line in (data / "xquad" / short / "queries.jsonl").open(encoding="utf-8")]
        with (
            tempfile.TemporaryDirectory() as folder,
            Memory.open(folder, embedder="none", lexical=LexicalConfig(language=language)) as memory,
        ):
            documents = [Document(uri=row["_id"], text=row["text"]) for row in rows]  # the title would be English
            ingest(documents=documents, into=memory, chunker=None)
            retriever = SemanticRetriever(memory.semantic)
            found = 0
            for query in queries:
                hits = retriever.search(query["text"], limit=10)
                found += wanted[query["_id"]] in [hit.citation.uri for hit in hits]
        result[short] = {"language": language, "questions": len(queries), "recall@10": round(found / len(queries), 4)}
        print(short, result[short], flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = HERE.parents[1] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--json", type=Path, default=HERE / "results" / "lexical_recall.json")
    options = parser.parse_args()
    result = {
        "command": "python benchmarks/lexical_recall.py --data DIR",
        "python": platform.python_version(),
        "identifiers": identifiers(options.data),
        "xquad": xquad(options.data),
    }
    options.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
