from __future__ import annotations

import pytest

from tercet.ingestion.chunking import StructuralChunker
from tercet.ingestion.prefixes import cut_words
from tercet.models.tokens import token_counter
from tercet.records import Block, BlockKind, Chunk, ParsedDocument
from tercet.settings import ChunkingConfig


class Letters:
    """A letter is a token; tallies what it was asked to count."""

    name = "letters"
    special_tokens = 0

    def __init__(self) -> None:
        self.seen = 0

    def count(self, text: str) -> int:
        self.seen += len(text)
        return len(text)

    def starts(self, text: str) -> list[int]:
        self.seen += len(text)
        return list(range(len(text)))


def cut(kind: BlockKind, text: str, *, cap: int, lead: str = "", counter: Letters | None = None) -> list[Chunk]:
    block = Block(kind=kind, start=0, end=len(text), lead_end=len(lead))
    chunker = StructuralChunker(ChunkingConfig(max_tokens=cap), counter or Letters())
    return chunker.chunk(ParsedDocument(text=text, blocks=(block,)), uri="a.md")


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = (
        "The first sentence is here. The second, e.g. this one, is longer. The third costs 3.50 euros. The last ends."
    )
    pieces = [chunk.text for chunk in cut("paragraph", text, cap=48)]

    assert pieces == [
        "The first sentence is here.",
        "The second, e.g. this one, is longer.",
        "The third costs 3.50 euros. The last ends.",
    ]


def test_a_long_sentence_is_cut_after_a_clause_and_between_words() -> None:
    text = "a sentence that goes on and on, without an end; " + "word " * 30
    pieces = [chunk.text for chunk in cut("paragraph", text.strip(), cap=60)]

    assert pieces[0].endswith((",", ";"))
    assert all(piece.split()[-1].strip(",;") in text.replace(",", "").replace(";", "").split() for piece in pieces)


def test_the_rest_of_a_cut_block_is_not_a_scrap() -> None:
    text = " ".join(f"Sentence {number:03} ends." for number in range(12))
    sizes = [chunk.tokens for chunk in cut("paragraph", text, cap=210)]

    assert len(sizes) == 2
    assert min(sizes) > 50


def test_a_table_is_cut_between_rows_and_repeats_its_header() -> None:
    header = "| name | value |\n|---|---|\n"
    rows = [f"| row {number} | {number * 11:04} |" for number in range(20)]
    chunks = cut("table", header + "\n".join(rows), cap=140, lead=header)

    assert chunks[0].lead == ""
    assert chunks[0].text.startswith(header)
    assert {chunk.lead for chunk in chunks[1:]} == {header.strip()}
    assert [row for chunk in chunks for row in chunk.text.split("\n")] == (header + "\n".join(rows)).split("\n")
    assert chunks[1].embedded_text.startswith("| name | value |\n|---|---|\n| row")


def test_a_header_too_wide_to_repeat_is_shortened() -> None:
    header = "| " + " | ".join(f"column{number}" for number in range(12)) + " |\n" + "|---" * 12 + "|\n"
    rows = "\n".join("| " + " | ".join(str(number) for number in range(12)) + " |" for _ in range(12))
    chunks = cut("table", header + rows, cap=240, lead=header)

    assert {chunk.lead for chunk in chunks[1:]} == {"| column0 | column1 | column2 | column3 | column4 | …"}


def test_a_row_too_wide_for_a_chunk_is_cut_between_cells() -> None:
    row = "| " + " | ".join(f"cell {number:02}" for number in range(30)) + " |"
    chunks = cut("table", row, cap=64)

    assert len(chunks) > 3
    assert all(chunk.text.startswith(("cell", "|")) and chunk.text.endswith("|") for chunk in chunks)


def test_code_is_cut_before_definitions_and_repeats_its_fence() -> None:
    functions = [f"def f{number}(x):\n    y = x + {number}\n\n    return y\n" for number in range(6)]
    text = "```python\n" + "\n".join(functions) + "```"
    chunks = cut("code", text, cap=120, lead="```python\n")

    assert all(chunk.text.removeprefix("```python\n").startswith("def ") for chunk in chunks)
    assert [chunk.lead for chunk in chunks] == ["", *["```python"] * (len(chunks) - 1)]
    assert chunks[-1].text.endswith("return y\n```")


def test_a_piece_of_code_keeps_the_indentation_of_its_first_line() -> None:
    text = "```\nif x:\n" + "\n".join(f"    call_number_{number}()" for number in range(12)) + "\n```"
    chunks = cut("code", text, cap=100, lead="```\n")

    assert all(chunk.text.startswith("    call") for chunk in chunks[1:])


def test_a_list_is_cut_between_its_outer_items() -> None:
    items = [f"- item {number}\n  - inner {number}, with words\n  - more" for number in range(6)]
    chunks = cut("list", "\n".join(items), cap=100)

    assert len(chunks) > 1
    assert all(chunk.text.startswith("- item") for chunk in chunks)


def test_a_dash_inside_a_fence_is_no_item() -> None:
    items = [f"1. step {number}:\n\n   ```yaml\n   - name: x{number}\n   - run: y\n   ```" for number in range(4)]
    chunks = cut("list", "\n".join(items), cap=120)

    assert all(chunk.text[0].isdigit() for chunk in chunks)


def test_an_admonition_repeats_its_first_line() -> None:
    text = "!!! warning\n    " + "\n\n    ".join(f"Paragraph {number} says something of use." for number in range(8))
    chunks = cut("admonition", text, cap=160)

    assert {chunk.lead for chunk in chunks[1:]} == {"!!! warning"}
    assert all(chunk.text.strip().startswith("Paragraph") for chunk in chunks[1:])


def test_a_short_introduction_stays_with_the_code_it_introduces() -> None:
    prose, code = "Some text about keys. " * 3 + "Some text about keys.", "```\n" + "rotate()\n" * 14 + "```"
    text = f"{prose}\n\nRotate them so:\n\n{code}"
    starts = [0, len(prose) + 2, text.index("```")]
    ends = [len(prose), starts[2] - 2, len(text)]
    kinds: list[BlockKind] = ["paragraph", "paragraph", "code"]
    blocks = tuple(Block(kind=k, start=s, end=e) for k, s, e in zip(kinds, starts, ends, strict=True))
    chunker = StructuralChunker(ChunkingConfig(max_tokens=180), Letters())
    chunks = chunker.chunk(ParsedDocument(text=text, blocks=blocks), uri="a.md")

    assert [chunk.text.split("\n")[0] for chunk in chunks] == [prose, "Rotate them so:"]


def test_a_word_without_end_is_cut_and_no_chunk_grows_with_it() -> None:
    text = "A" * 100_000
    exact = token_counter(None)
    blocks = (Block(kind="paragraph", start=0, end=len(text)),)
    chunks = StructuralChunker(ChunkingConfig(max_tokens=64), exact).chunk(
        ParsedDocument(text=text, blocks=blocks), uri="a"
    )

    assert "".join(chunk.text for chunk in chunks) == text
    assert all(len(chunk.text) <= 62 * 32 for chunk in chunks)


@pytest.mark.parametrize(
    "letter",
    ["e\u0301\u0302", "👩\u200d👩\u200d👧", "🇩🇪", "👍🏽", "क्षि", "각"],
    ids=["marks", "joiner", "flag", "skin-tone", "virama", "jamo"],
)
def test_what_a_reader_sees_as_one_letter_is_not_cut(letter: str) -> None:
    chunks = cut("paragraph", letter * 40, cap=16)

    assert len(chunks) > 1
    assert all(len(chunk.text) % len(letter) == 0 and chunk.text.startswith(letter) for chunk in chunks)


def test_marks_piled_without_end_are_cut_all_the_same() -> None:
    assert max(chunk.tokens for chunk in cut("paragraph", "e" + "\u0301" * 500, cap=16)) <= 16


def test_work_grows_with_the_text_and_not_faster() -> None:
    def work(kind: BlockKind, unit: str, count: int) -> float:
        counter = Letters()
        cut(kind, unit * count, cap=128, counter=counter)
        return counter.seen / (len(unit) * count)

    units: list[tuple[BlockKind, str]] = [
        ("paragraph", "A sentence of words. "),
        ("paragraph", "word "),
        ("paragraph", "x"),
        ("list", "- item\n"),
        ("code", "line = 1\n"),
        ("table", "| a | b |\n"),
    ]
    for kind, unit in units:
        assert work(kind, unit, 4000) <= 1.1 * work(kind, unit, 500)


def test_a_single_word_too_long_is_shortened_by_letters() -> None:
    assert cut_words("internationalisation", 6, len) == "inter…"
    assert cut_words("fits", 6, len) == "fits"
    assert cut_words("anything", 0, len) == ""
