"""Train the ranks of Tercet's own token counter (``tercet/models/token_ranks.bin``).

    apt-get download $(python scripts/train_token_ranks.py --packages)
    for p in *.deb; do dpkg-deb -x "$p" packages/"${p%%_*}"; done
    python scripts/train_token_ranks.py --packages-at packages --data ../shared/data

Byte-level BPE over the pieces that ``PATTERN`` cuts, trained by the `tokenizers` library, less the tokens that a single
source uses, written as `tiktoken` ranks.
What it reads, and under which licence, is the table ``SOURCES``; none of the text is kept, only how often which bytes
stand together. None of it is among the samples of ``benchmarks/token_counters.py``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import lxml.html
import numpy as np
import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from tercet.models.tiktoken_counter import PATTERN, RANKS_FILE, pack_ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


class Source(NamedTuple):
    """Files of a Debian package (bookworm) or of a folder of the evaluation data, and the licence they are under."""

    place: str
    glob: str
    licence: str
    every: int = 1
    first_characters: int = 10**9
    only_one: bool = False
    """No other source is in its language."""


SOURCES = (
    # general English
    Source("data:mtrag_clapnq", "corpus.jsonl", "Apache-2.0; passages of Wikipedia, CC BY-SA"),
    Source("data:squad_docs/articles", "*", "CC BY-SA 4.0"),  # the second half; the first is for the benchmark
    Source("wordnet-base", "usr/share/wordnet/data.*", "WordNet licence (permissive)"),
    Source("wamerican-small", "usr/share/dict/american-english-small", "SCOWL (permissive)"),
    # documentation
    Source("python3.11-doc", "usr/share/doc/python3.11/html/_sources/**/*.txt", "PSF-2.0"),
    Source("debian-handbook", "**/en-US/*.html", "GPL-2+ or CC BY-SA 3.0"),
    Source("debian-handbook", "**/de-DE/*.html", "GPL-2+ or CC BY-SA 3.0", only_one=True),
    Source("debian-handbook", "**/zh-CN/*.html", "GPL-2+ or CC BY-SA 3.0", only_one=True),
    Source("git-doc", "**/*.html", "GPL-2", first_characters=3_000_000),
    Source("data:docs_corpora/fastapi", "**/*.md", "MIT"),
    Source("data:docs_corpora/pydantic", "**/*.md", "MIT"),
    Source("data:docs_corpora/flask", "**/*.rst", "BSD-3-Clause"),
    Source("data:docs_corpora/polars", "**/*.md", "MIT"),
    # programs
    Source("golang-1.19-src", "**/*.go", "BSD-3-Clause", every=9, first_characters=2_500_000),
    Source("rust-src", "**/*.rs", "MIT or Apache-2.0", every=13, first_characters=2_500_000),
    Source("node-typescript", "**/*.[jt]s", "Apache-2.0", first_characters=2_500_000),
    Source("libjs-jquery", "**/jquery.js", "MIT"),
    Source("libboost1.74-dev", "**/*.hpp", "BSL-1.0", every=7, first_characters=2_500_000),
    Source("python3-django", "**/*.py", "BSD-3-Clause", every=3, first_characters=2_500_000),
)

LEAST_SOURCES = 2
EMOJI = " ".join(map(chr, range(0x1F300, 0x1F650)))


def read(path: Path) -> str:
    """The text of a file; of HTML what a reader sees, of JSON lines the titles and texts, of WordNet the glosses."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if path.suffix == ".html":
        page = lxml.html.document_fromstring(data)
        for element in page.xpath("//script|//style"):
            element.drop_tree()
        return re.sub(r"\n\s*\n", "\n\n", page.text_content())
    text = data.decode("utf-8", "replace")
    if path.suffix == ".jsonl":
        return "\n".join(f"{row['title']}\n{row['text']}" for row in map(json.loads, text.splitlines()))
    if "wordnet" in path.parts:
        return "\n".join(line.partition("|")[2].strip() for line in text.splitlines() if "|" in line)
    if path.name == "american-english-small":
        return "".join(f" {word}" for word in text.split() if not word.endswith("'s"))
    return text


def texts(packages: Path, data: Path) -> Iterator[tuple[Source, str]]:
    """All training texts with their sources, in a fixed order."""
    for source in SOURCES:
        kind, _, folder = source.place.partition(":")
        root = data / folder if kind == "data" else packages / source.place
        paths = sorted(path for path in root.glob(source.glob) if path.is_file() and not path.is_symlink())
        if not paths:
            raise SystemExit(f"{root} has no {source.glob}: see the top of this script")
        paths = paths[len(paths) // 2 :] if folder == "squad_docs/articles" else paths[:: source.every]
        left = source.first_characters
        for path in paths:
            if path.stat().st_size > 1_500_000 and source.every == 1 and path.suffix in {".js", ".ts"}:
                continue  # a bundle says the same again
            text = read(path)
            left -= len(text)
            if left < 0:
                break
            yield source, text
    yield Source("generated", "", "none", only_one=True), EMOJI


Merges = dict[bytes, tuple[bytes, bytes]]
"""The two tokens that each token is made of."""


def train(documents: Iterable[str], size: int) -> tuple[Tokenizer, list[bytes], Merges]:
    """A byte-level BPE, its tokens as bytes in the order in which they merge, and what they are made of."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(documents, trainer)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    byte_of = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}

    def as_bytes(token: str) -> bytes:
        return bytes(byte_of[character] for character in token)

    ordered = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    merges: Merges = {}
    for merge in json.loads(tokenizer.to_str())["model"]["merges"]:
        left, right = map(as_bytes, merge.split(" ") if isinstance(merge, str) else merge)
        merges.setdefault(left + right, (left, right))
    return tokenizer, [as_bytes(token) for token, _ in ordered], merges


def common(tokens: list[bytes], merges: Merges, documents: Iterable[tuple[Source, str]]) -> set[bytes]:
    """Tokens that are more than the vocabulary of one project.

    The names of one project are whole tokens after training on its manual, which counts low wherever those names stand.
    So a token with letters must occur in two sources, or mostly in those that are the only ones in their language; what
    it is merged from stays with it.
    """
    ranks = {token: rank for rank, token in enumerate(tokens)}
    encoding = tiktoken.Encoding("uses", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    uses: dict[Source, NDArray[np.int64]] = {}
    for source, text in documents:
        found = np.bincount(encoding.encode_ordinary(text), minlength=len(tokens))
        uses[source] = uses.get(source, 0) + found
    several = np.sum([uses[source] > 0 for source in uses if not source.only_one], axis=0) >= LEAST_SOURCES
    alone = np.sum([uses[source] for source in uses if source.only_one], axis=0)
    several |= (alone > 0) & (2 * alone >= np.sum(list(uses.values()), axis=0))
    kept = {token for token, enough in zip(tokens, several, strict=True) if enough or not re.search(b"[A-Za-z]", token)}
    kept.update(token for token in tokens if len(token) == 1)
    needed = [token for token in kept if token in merges]
    while needed:
        for part in merges[needed.pop()]:
            if part not in kept:
                kept.add(part)
                needed += [part] if part in merges else []
    return kept


def keep(token: bytes) -> bool:
    """Whether a token stays: an emoji is never less than two, as which ones are one differs between models."""
    return len(token) <= 2 or max(token) < 0xF0


def differences(tokenizer: Tokenizer, tokens: list[bytes], samples: list[str]) -> float:
    """The share by which the counts of `tiktoken` with these ranks differ from those of `tokenizers`."""
    ranks = {token: rank for rank, token in enumerate(tokens)}
    encoding = tiktoken.Encoding("check", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    counted = [(len(encoding.encode_ordinary(text)), len(tokenizer.encode(text).ids)) for text in samples]
    return sum(abs(ours - theirs) for ours, theirs in counted) / sum(theirs for _, theirs in counted)


def main() -> None:
    """Train, check, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", action="store_true", help="print the packages it reads, and stop")
    parser.add_argument("--packages-at", type=Path, default=Path("packages"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--size", type=int, default=66_000, help="tokens before those of one source and of emoji are left out"
    )
    parser.add_argument("--out", type=Path, default=RANKS_FILE)
    arguments = parser.parse_args()
    if arguments.packages:
        places = {source.place for source in SOURCES}
        print(*sorted(place for place in places if ":" not in place))
        return
    begin = time.perf_counter()
    documents = list(texts(arguments.packages_at, arguments.data))
    tokenizer, tokens, merges = train((text for _, text in documents), arguments.size)
    difference = differences(tokenizer, tokens, [text[:2000] for _, text in documents[:2000]])
    stay = common(tokens, merges, documents)
    kept = [token for token in tokens if token in stay and keep(token)]
    arguments.out.write_bytes(pack_ranks(kept))
    print(
        f"{len(kept)} ranks, {arguments.out.stat().st_size} bytes, {time.perf_counter() - begin:.0f} s; "
        f"tiktoken and tokenizers differ by {difference:.5%} of the tokens"
    )


if __name__ == "__main__":
    main()
