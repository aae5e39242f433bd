"""How token counters compare with o200k_base (or another reference), by kind of text; and how fast they are.

    apt-get download $(python benchmarks/token_counters.py --packages)
    for p in *.deb; do dpkg-deb -x "$p" packages/"${p%%_*}"; done
    TIKTOKEN_CACHE_DIR=DIR python benchmarks/token_counters.py --packages-at packages --data ../shared/data

``DIR`` holds the ranks of o200k_base and cl100k_base (the wheel of ``llama-index-core`` has both in
``_static/tiktoken_cache``). Samples are 6 to 2,000 words long (twice that in Chinese characters), cut from documents
that the ranks were not trained on (``KINDS`` has their licences); JSON and texts with emoji are generated. Documents
fall into two halves by a hash of their name: ``--calibrate`` chooses the margin of the default counter on the first
half, and the table is of the second and of texts that nothing was chosen by (``ELSEWHERE``). ``words`` is the rival
without ranks: tokens by kind and length of piece, fitted to the first half.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import platform
import random
import re
import statistics
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import lxml.html
import numpy as np

from tercet.models.counters import RunningCount, resolve_counter
from tercet.models.tiktoken_counter import RANKS_FILE, DefaultCounter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tercet.models.tokens import TextCounter

PACKAGES = {
    "prose": ("debian-faq", "developers-reference", "maint-guide"),  # GPL-2+
    "german": ("debian-reference-de", "debian-faq-de"),  # GPL-2+
    "chinese": ("debian-reference-zh-cn", "debian-faq-zh-cn"),  # GPL-2+
    "manuals": ("aptitude-doc-en", "debian-policy"),  # GPL-2+
}
KINDS = {
    "prose": "SQuAD (CC BY-SA 4.0), SciFact (CC BY 4.0, ODC-By), Debian FAQ, "
    "developers' reference and maintainers' guide (GPL-2+)",
    "markdown": "rust_book, drf, prometheus (MIT, Apache-2.0, BSD-3-Clause)",
    "code": "cookbook_codebase (MIT; C, C++, Go, Java, JavaScript, Python, Rust), standard library of Python (PSF-2.0)",
    "json": "generated",
    "german": "XQuAD de (CC BY-SA 4.0), Debian reference and FAQ (GPL-2+)",
    "chinese": "XQuAD zh (CC BY-SA 4.0), Debian reference and FAQ (GPL-2+)",
    "emoji": "generated",
}
ELSEWHERE = {
    "meetings": "QMSum (MIT)",
    "manuals": "aptitude's manual, Debian policy (GPL-2+)",
    "packages": "Python of numpy, pydantic, sqlalchemy (BSD-3-Clause, MIT)",
    "headers": "C++ headers of torch (BSD-3-Clause)",
}
"""Looked at when everything had been chosen: nothing was chosen by them."""
BOUND = {"prose": 0.12, "markdown": 0.12, "code": 0.12, "json": 0.6, "german": 0.6, "chinese": 0.6, "emoji": 0.6}
CAP = 0.116
"""Mean over-count of prose, documentation and code that the margin may use up: the bound less what halves differ by."""
LENGTHS = ((6, 25), (40, 80), (150, 250), (500, 700), (1500, 2000))
EMOJI = [
    chr(c)
    for a, b in ((0x1F300, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F900, 0x1F9FF), (0x2600, 0x26FF))
    for c in range(a, b)
]


class Sample(NamedTuple):
    kind: str
    half: int
    text: str


def documents(packages: Path, data: Path) -> Iterator[tuple[str, str, str]]:
    """Kind, name and text."""
    articles = sorted((data / "squad_docs" / "articles").glob("*"))
    for path in articles[: len(articles) // 2]:  # the others trained the ranks
        yield "prose", path.name, path.read_text("utf-8")
    for folder, kind, limit in (
        ("scifact", "prose", 150),
        ("xquad/de", "german", None),
        ("xquad/zh", "chinese", None),
    ):
        for line in (data / folder / "corpus.jsonl").read_text("utf-8").splitlines()[:limit]:
            row = json.loads(line)
            yield kind, f"{folder}-{row['_id']}", f"{row['title']}\n{row['text']}".strip()
    for kind, names in PACKAGES.items():
        for name in names:
            for path in sorted((packages / name).rglob("*.html")):
                if path.is_symlink() or not path.is_file():
                    continue
                page = lxml.html.document_fromstring(path.read_bytes())
                for element in page.xpath("//script|//style"):
                    element.drop_tree()
                yield kind, name + path.name, re.sub(r"\n\s*\n", "\n\n", page.text_content())
    for corpus in ("rust_book", "drf", "prometheus"):
        for path in sorted((data / "docs_corpora" / corpus).rglob("*.md")):
            yield "markdown", path.name, path.read_text("utf-8")
    for line in (data / "cookbook_codebase" / "documents.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        yield "code", row["_id"], row["text"]
    for line in (data / "qmsum" / "val" / "conversations.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        turns = (turn["text"] for session in row["sessions"] for turn in session["turns"])
        yield "meetings", row["conv_id"], " ".join(turns)
    for package in ("pydantic", "numpy", "sqlalchemy"):
        spec = find_spec(package)
        folder = Path(spec.origin).parent if spec and spec.origin else Path()
        for path in sorted(folder.rglob("*.py"))[::11]:
            yield "packages", str(path.relative_to(folder)), path.read_text("utf-8", "replace")
    spec = find_spec("torch")
    folder = Path(spec.origin).parent / "include" if spec and spec.origin else Path("absent")
    for path in sorted(folder.rglob("*.h"))[::29]:
        yield "headers", str(path.relative_to(folder)), path.read_text("utf-8", "replace")
    for path in sorted(Path(os.__file__).parent.glob("*.py"))[1::4]:
        yield "code", path.name, path.read_text("utf-8", "replace")


def generated_json(rng: random.Random, words: list[str]) -> str:
    def key() -> str:
        return rng.choice(words) + rng.choice(["", "_id", "Name", "_at", "-key"])

    def value(depth: int) -> object:
        kind = rng.random()
        if depth < 3 and kind < 0.25:
            return {key(): value(depth + 1) for _ in range(rng.randint(1, 6))}
        if depth < 3 and kind < 0.4:
            return [value(depth + 1) for _ in range(rng.randint(0, 6))]
        if kind < 0.6:
            return rng.choice([rng.randint(-(10**6), 10**9), round(rng.gauss(0, 100), rng.randint(1, 8))])
        if kind < 0.75:
            return rng.choice([True, False, None, f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}"])
        if kind < 0.85:
            return (
                f"20{rng.randint(10, 30)}-{rng.randint(1, 12):02d}-{rng.randint(10, 28)}T10:{rng.randint(10, 59)}:00Z"
            )
        if kind < 0.9:
            return (
                f"https://{rng.choice(words)}.example/{rng.choice(words)}/{rng.randint(1, 9999)}?q={rng.choice(words)}"
            )
        return " ".join(rng.choice(words) for _ in range(rng.randint(1, 15)))

    rows = [value(0) for _ in range(rng.randint(3, 60))]
    return json.dumps(rows, indent=rng.choice([None, None, 2, 4]), ensure_ascii=rng.random() < 0.7)


def generated_emoji(rng: random.Random, words: list[str]) -> str:
    found = []
    for _ in range(rng.randint(3, 300)):
        if rng.random() < 0.45:
            found.append(rng.choice(words))
            continue
        emoji = rng.choice(EMOJI) * rng.choice([1, 1, 1, 2, 3])
        if rng.random() < 0.15:
            emoji += rng.choice(["\U0001f3fd", "\ufe0f", "\u200d" + rng.choice(EMOJI)])
        found.append(emoji)
    return rng.choice(["", " ", " "]).join(found)


def cut(rng: random.Random, text: str, kind: str) -> str:
    """A sample that begins at the start of a sentence or line."""
    size = rng.randint(*rng.choice(LENGTHS))
    start = rng.choice([0, *(match.end() for match in re.finditer(r"[.!?]\s+|\n|。", text))])
    unit, size = (r"\s*\S", 2 * size) if kind == "chinese" else (r"\s*\S+", size)
    match = re.compile(f"(?:{unit}){{1,{size}}}").match(text, start)
    return match.group() if match else ""


def samples(packages: Path, data: Path, each: int, seed: int) -> list[Sample]:
    rng = random.Random(seed)
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for kind, name, text in documents(packages, data):
        by_kind.setdefault(kind, []).append((name, text))
    words = re.findall(r"[a-z]{2,12}", " ".join(text for _, text in by_kind["prose"][:60]))
    for kind, generate in (("json", generated_json), ("emoji", generated_emoji)):
        by_kind[kind] = [(f"{kind}{number}", generate(rng, words)) for number in range(400)]
    found = []
    for kind, texts in by_kind.items():
        for half in (1,) if kind in ELSEWHERE else (0, 1):
            mine = [
                text
                for name, text in texts
                if kind in ELSEWHERE or hashlib.blake2b(name.encode()).digest()[0] % 2 == half
            ]
            cuts = (cut(rng, rng.choice(mine), kind) for _ in range(each))
            found += [Sample(kind, half, text) for text in cuts if len(text) >= 10]
    return found


class Words:
    """The rival without ranks: a text's tokens are a weighted sum of its pieces by kind and length, and a margin."""

    name = "words"
    _pieces = re.compile(r"([A-Za-z]?[a-z]+|[A-Z]+)|([0-9]{1,3})|([一-鿿])|([^\W_]+)|(\n\s*|\s{2,})|([^\w\s]+|_+)")

    def __init__(self, known: list[Sample], tokens: np.ndarray) -> None:
        features = np.array([self._features(sample.text) for sample in known])
        scale = 1 / np.sqrt(tokens)
        weights, *_ = np.linalg.lstsq(features * scale[:, None], tokens * scale, rcond=None)
        self._weights = np.maximum(weights, 0)
        kinds = np.array([sample.kind for sample in known])
        self._margin = margin(features @ self._weights, tokens, kinds)

    def _features(self, text: str) -> np.ndarray:
        found = np.zeros(26)
        for match in self._pieces.finditer(text):
            kind, length = match.lastindex or 1, match.end() - match.start()
            if kind == 1:
                found[min(length, 16)] += 1
            else:
                found[15 + kind] += 1
                found[21] += length if kind == 4 else 0
                found[22] += length if kind == 6 else 0
                found[23] += sum(ord(character) > 0x2000 for character in match.group()) if kind == 6 else 0
        return found

    def count(self, text: str) -> int:
        raw = np.array([float(self._features(text) @ self._weights)])
        return int(with_margin(raw, *self._margin)[0])


def with_margin(raw: np.ndarray, factor: float, root: float, offset: float) -> np.ndarray:
    return np.ceil(factor * raw + root * np.sqrt(raw) + offset - 1e-9)


def margin(raw: np.ndarray, tokens: np.ndarray, kinds: np.ndarray) -> tuple[float, float, float]:
    """The margin with the least mean over-count of prose and code that counts 0.85 % of no kind too low."""
    found = []
    for root, offset in itertools.product((0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0, 0.25, 0.5, 0.75, 1)):
        needed = (tokens - offset - root * np.sqrt(raw)) / np.maximum(raw, 1e-9)
        factor = max(float(np.quantile(needed[kinds == kind], 0.9915)) for kind in KINDS)
        over = with_margin(raw, factor, root, offset) / tokens - 1
        found.append((max(over[kinds == kind].mean() for kind in ("prose", "markdown", "code")), factor, root, offset))
    _, factor, root, offset = min(found)
    return factor, root, offset


def cautious_margin(raw: np.ndarray, tokens: np.ndarray, kinds: np.ndarray) -> tuple[float, float, float]:
    """The margin that counts least of the worst kind too low among those that stay below ``CAP`` on prose and code."""
    found = []
    for factor, root, offset in itertools.product(
        np.arange(0.94, 1.12, 0.002), (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0, 0.25, 0.5, 0.75, 1)
    ):
        counted = with_margin(raw, factor, root, offset)
        over = max((counted / tokens - 1)[kinds == kind].mean() for kind in ("prose", "markdown", "code"))
        if over <= CAP:
            low = {kind: float((counted < tokens)[kinds == kind].mean()) for kind in KINDS}
            usual = sum(low[kind] for kind in ("prose", "markdown", "code"))
            found.append((max(low.values()), usual, over, float(factor), root, offset))
    *_, factor, root, offset = min(found)
    return factor, root, offset


def speed(counter: TextCounter, texts: list[str], short: list[str]) -> dict[str, float]:
    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            begin = time.process_time()
            work()
            times.append(time.process_time() - begin)
        return statistics.median(times)

    size = sum(len(text.encode()) for text in texts) / 1e6
    return {
        "MB/s": round(size / best(lambda: [counter.count(text) for text in texts]), 1),
        "us a short text": round(best(lambda: [counter.count(text) for text in short]) / len(short) * 1e6, 1),
    }


def running_cost(counter: TextCounter) -> float:
    """Microseconds to append one line of 60 characters to a text of 5,000 such lines."""
    running = RunningCount(counter)
    begin = time.process_time()
    for number in range(5000):
        running.add(f"{number}. A fact of some sixty characters, as a context has many.\n")
    return round((time.process_time() - begin) / 5000 * 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", action="store_true", help="print the packages it reads, and stop")
    parser.add_argument("--packages-at", type=Path, default=Path("packages"))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", "../shared/data")))
    parser.add_argument("--reference", default="o200k_base")
    parser.add_argument("--each", type=int, default=1500, help="samples of each kind and half")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--calibrate", action="store_true", help="print the margin that the first half asks for, and stop"
    )
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "token_counters.json")
    arguments = parser.parse_args()
    if arguments.packages:
        print(*sorted(name for names in PACKAGES.values() for name in names))
        return
    reference = resolve_counter(arguments.reference)
    found = samples(arguments.packages_at, arguments.data, arguments.each, arguments.seed)
    tokens = np.array([reference.count(sample.text) for sample in found], float)
    first = np.array([sample.half == 0 for sample in found])
    kinds = np.array([sample.kind for sample in found])
    own = DefaultCounter()
    if arguments.calibrate:
        raw = np.array([own.measure(sample.text) for sample in found], float)
        print("factor {:.4f}, root {}, offset {}".format(*cautious_margin(raw[first], tokens[first], kinds[first])))
        return

    known = [sample for sample in found if sample.half == 0]
    counters: list[TextCounter] = [own, Words(known, tokens[first]), resolve_counter("cl100k_base"), reference]
    result: dict[str, object] = {
        "command": f"python benchmarks/token_counters.py --each {arguments.each} --seed {arguments.seed}",
        "reference": arguments.reference,
        "python": platform.python_version(),
        "tiktoken": version("tiktoken"),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load at start": [round(value, 2) for value in os.getloadavg()],
        "ranks file, bytes": RANKS_FILE.stat().st_size,
        "samples of the second half": {kind: int(np.sum(~first & (kinds == kind))) for kind in (*KINDS, *ELSEWHERE)},
        "sources": KINDS | ELSEWHERE,
        "bound, mean over-count": BOUND,
    }
    texts = [sample.text for sample in found if sample.half == 1][::7]
    short = [sample.text[:80] for sample in found if sample.half == 1 and sample.kind == "prose"]
    rows: dict[str, dict[str, object]] = {}
    for counter in counters:
        ratio = np.array([counter.count(sample.text) for sample in found]) / tokens
        row: dict[str, object] = {}
        for kind in (*KINDS, *ELSEWHERE):
            mine = ratio[~first & (kinds == kind)]
            row[kind] = {
                "over": round(float(mine.mean() - 1), 4),
                "under": round(float((mine < 1).mean()), 4),
                "lowest": round(float(mine.min()), 3),
            }
        row |= speed(counter, texts, short)
        if counter.name != "words":
            row["us to append a line"] = running_cost(counter)
        rows[counter.name] = row
    result["counters"] = rows

    print(
        f"{'mean over-count / samples counted low':40}"
        + "".join(f"{kind:>16}" for kind in (*KINDS, *ELSEWHERE))
        + "    MB/s  us/short"
    )
    for name, row in rows.items():
        cells = "".join(f"{row[kind]['over']:>8.1%} /{row[kind]['under']:>6.2%}" for kind in (*KINDS, *ELSEWHERE))
        print(f"{name:40}{cells}{row['MB/s']:>8}{row['us a short text']:>10}")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
