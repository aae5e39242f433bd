"""Speed of the embedder beside plain ``SentenceTransformer.encode`` in float32, and how close the vectors are.

    python benchmarks/embedding.py --data ../shared/data [--chunks 2000] [--runs 3] [--json FILE]

Chunks are real documentation, packed to the model's length. Runs alternate between the two, so that a busy machine
harms both alike; CPU time is given beside wall time for the same reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import time
from pathlib import Path

import numpy as np

from tercet.models.sentence_transformers import SentenceTransformersEmbedder, computes_bfloat16
from tercet.models.tokens import TokenCounter, token_counter


def read_chunks(data: Path, counter: TokenCounter, limit: int) -> list[str]:
    chunks = []
    for file in sorted((data / "docs_corpora").rglob("*")):
        if file.suffix not in {".md", ".rst"}:
            continue
        current, tokens = "", 0
        for paragraph in file.read_text("utf-8", "replace").split("\n\n"):
            cost = counter.count(paragraph)
            if current and tokens + cost > 250:
                chunks.append(current)
                current, tokens = "", 0
            current += paragraph + "\n\n"
            tokens += cost
        if current.strip():
            chunks.append(current)
    random.Random(7).shuffle(chunks)
    return chunks[:limit]


def processor() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    flags = facts.get("flags", "").split()
    return {
        "model": facts.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "features": [flag for flag in wanted if flag in flags],
        "load at start": [round(value, 2) for value in os.getloadavg()],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", "../shared/data")))
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    import torch  # after the arguments, it takes seconds
    from sentence_transformers import SentenceTransformer

    machine = processor()
    embedder = SentenceTransformersEmbedder(arguments.model, use_hub=False)
    counter = token_counter(embedder.tokenizer_file)
    chunks = read_chunks(arguments.data, counter, arguments.chunks)
    tokens = sum(min(embedder.max_tokens, counter.count(chunk) + counter.special_tokens) for chunk in chunks)
    plain = SentenceTransformer(str(embedder.folder.path), device="cpu", local_files_only=True)
    systems = {
        "SentenceTransformer.encode, float32": lambda texts: plain.encode(texts, show_progress_bar=False),
        f"tercet, {embedder.dtype}": embedder.embed_documents,
    }
    vectors: dict[str, np.ndarray] = {}
    wall: dict[str, list[float]] = {name: [] for name in systems}
    cpu: dict[str, list[float]] = {name: [] for name in systems}
    for embed in systems.values():
        embed(chunks[:32])
    for run in range(arguments.runs):
        for name, embed in systems.items():
            start, used = time.perf_counter(), time.process_time()
            vectors[name] = embed(chunks)
            wall[name].append(tokens / (time.perf_counter() - start))
            cpu[name].append(tokens / (time.process_time() - used))
            print(
                f"run {run + 1}  {name:38} {wall[name][-1]:7.0f} tokens/s  {cpu[name][-1]:7.0f} a CPU second",
                flush=True,
            )
    reference, ours = vectors.values()
    cosines = np.sum(reference * ours, axis=1)
    medians = {name: round(statistics.median(values)) for name, values in wall.items()}
    of_cpu = {name: round(statistics.median(values)) for name, values in cpu.items()}
    first, second = systems
    results = {
        "processor": machine,
        "torch": torch.__version__,
        "torch threads": torch.get_num_threads(),
        "bfloat16 in hardware": computes_bfloat16(),
        "chunks": len(chunks),
        "tokens": tokens,
        "tokens/s, median": medians,
        "tokens/s, runs": {name: [round(value) for value in values] for name, values in wall.items()},
        "tokens per CPU second, median": of_cpu,
        "ratio": round(medians[second] / medians[first], 2),
        "ratio of CPU time": round(of_cpu[second] / of_cpu[first], 2),
        "cosine, mean": round(float(cosines.mean()), 6),
        "cosine, min": round(float(cosines.min()), 6),
    }
    print(json.dumps(results, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
