from __future__ import annotations

import pytest

from tercet.errors import ConfigurationError, ParseError
from tercet.ingestion.chunking import StructuralChunker, whole
from tercet.models.tokens import token_counter
from tercet.records import Block, BlockKind, Chunk, Document, ParsedDocument
from tercet.settings import ChunkingConfig


class Words:
    """A word is a token."""

    name = "words"
    special_tokens = 2

    def count(self, text: str) -> int:
        return len(text.split())

    def starts(self, text: str) -> list[int]:
        return [
            index
            for index, letter in enumerate(text)
            if not letter.isspace() and (text[index - 1 : index] or " ").isspace()
        ]


def parsed(*parts: tuple[BlockKind, str] | str, title: str = "", verbatim: bool = True) -> ParsedDocument:
    """Blocks from ``("paragraph", text)``; headings from ``"## Title"``; other strings are text without a block."""
    text, blocks = "", []
    for part in parts:
        kind, body = part if isinstance(part, tuple) else ("heading" if part.startswith("#") else "", part)
        start, end = len(text), len(text) + len(body)
        text += body + "\n\n"
        if kind == "heading":
            marks, _, name = body.partition(" ")
            blocks.append(
                Block(kind="heading", start=start, end=end, level=len(marks), title=name, anchor=name.lower())
            )
        elif kind:
            lead = {"table": 2, "code": 1}.get(kind, 0)
            lead_end = start + len("".join(body.splitlines(keepends=True)[:lead])) if lead else 0
            blocks.append(Block(kind=kind, start=start, end=end, lead_end=lead_end, line=10 * len(blocks) + 7))
    return ParsedDocument(text=text, blocks=tuple(blocks), title=title, verbatim=verbatim)


def cut(document: ParsedDocument, max_tokens: int = 64, uri: str = "guide.md") -> list[Chunk]:
    return StructuralChunker(ChunkingConfig(max_tokens=max_tokens), Words()).chunk(document, uri=uri)


def some_words(count: int, word: str = "word") -> str:
    return " ".join(f"{word}{number}" for number in range(count))


def test_blocks_under_one_heading_are_one_chunk_with_its_path_and_place() -> None:
    chunks = cut(parsed("# Guide", "## Keys", ("paragraph", "Rotate them."), ("list", "- one\n- two"), title="Guide"))

    [chunk] = chunks
    assert chunk.text == "Rotate them.\n\n- one\n- two"
    assert chunk.embedded_text == "Guide > Keys\nRotate them.\n\n- one\n- two"
    assert (chunk.title, chunk.heading_path, chunk.anchor, chunk.kind) == ("Guide", ("Keys",), "keys", "paragraph")
    assert (chunk.line_start, chunk.line_end) == (5, 8)
    assert chunk.tokens == 2 + Words().count(chunk.embedded_text)


def test_a_deeper_heading_is_forgotten_when_a_higher_one_follows() -> None:
    chunks = cut(
        parsed(
            "# A", "## B", "### C", ("paragraph", "one"), "## D", ("paragraph", "two"), "# E", ("paragraph", "three")
        )
    )

    assert [chunk.heading_path for chunk in chunks] == [("A", "B", "C"), ("A", "D"), ("E",)]


def test_a_heading_that_skips_levels_still_stands_under_the_one_above() -> None:
    chunks = cut(parsed("### Deep", ("paragraph", "one"), "# Top", "#### Far", ("paragraph", "two")))

    assert [chunk.heading_path for chunk in chunks] == [("Deep",), ("Top", "Far")]


def test_two_sections_of_the_same_name_are_not_packed_together() -> None:
    chunks = cut(parsed("## Example", ("paragraph", "one"), "## Example", ("paragraph", "two")))

    assert [chunk.text for chunk in chunks] == ["one", "two"]


def test_a_heading_with_nothing_under_it_is_a_chunk_of_its_own() -> None:
    chunks = cut(parsed("# Top", "## Empty", "## Full", ("paragraph", "text"), "## Last", title="Top"))

    assert [(chunk.text, chunk.kind, chunk.heading_path, chunk.anchor) for chunk in chunks] == [
        ("## Empty", "heading", (), "empty"),
        ("text", "paragraph", ("Full",), "full"),
        ("## Last", "heading", (), "last"),
    ]


def test_a_document_of_headings_alone_has_chunks() -> None:
    assert [chunk.text for chunk in cut(parsed("# Only", title="Only"))] == ["# Only"]


def test_an_empty_heading_block_is_structure_and_no_chunk() -> None:
    text = "def f(): ..."
    blocks = (
        Block(kind="heading", start=0, end=0, level=1, title="module"),
        Block(kind="heading", start=0, end=0, level=2, title="f", anchor="f"),
        Block(kind="code", start=0, end=len(text)),
        Block(kind="heading", start=len(text), end=len(text), level=2, title="empty"),
    )
    [chunk] = cut(ParsedDocument(text=text, blocks=blocks))

    assert (chunk.text, chunk.heading_path, chunk.anchor) == (text, ("module", "f"), "f")


def test_text_that_the_parser_left_out_is_in_no_chunk() -> None:
    chunks = cut(parsed(("paragraph", "one"), "<!-- hidden -->", ("paragraph", "two"), "* * *", ("paragraph", "three")))

    assert [chunk.text for chunk in chunks] == ["one", "two\n\n* * *\n\nthree"]


def test_the_anchor_is_that_of_the_nearest_heading_that_has_one() -> None:
    text = "text"
    blocks = (
        Block(kind="heading", start=0, end=0, level=1, title="A", anchor="a"),
        Block(kind="heading", start=0, end=0, level=2, title="B"),
        Block(kind="paragraph", start=0, end=4),
    )

    assert [chunk.anchor for chunk in cut(ParsedDocument(text=text, blocks=blocks))] == ["a"]


def test_lines_of_rendered_text_come_from_the_blocks() -> None:
    document = parsed(("paragraph", "one"), ("paragraph", "two"), verbatim=False)

    assert [(chunk.line_start, chunk.line_end) for chunk in cut(document)] == [(7, 17)]


def test_equal_texts_keep_apart_by_their_order() -> None:
    first = cut(parsed("# A", ("paragraph", "same"), "# A", ("paragraph", "same")))
    again = cut(parsed("# B", ("paragraph", "new"), "# A", ("paragraph", "same"), "# A", ("paragraph", "same")))

    assert len({chunk.id for chunk in first}) == 2
    assert [chunk.id for chunk in again[1:]] == [chunk.id for chunk in first]
    assert all(len(chunk.id) == 32 for chunk in first)


def test_the_same_text_in_another_document_has_another_id() -> None:
    document = parsed(("paragraph", "same"))

    assert cut(document, uri="a.md")[0].id != cut(document, uri="b.md")[0].id


def test_an_insertion_in_a_long_section_leaves_most_of_its_chunks() -> None:
    paragraphs: list[tuple[BlockKind, str]] = [("paragraph", some_words(5 + n % 13, f"p{n}x")) for n in range(200)]
    old = {chunk.id for chunk in cut(parsed("# A", *paragraphs))}
    changed = []
    for place in range(0, 200, 20):
        edited = [*paragraphs[:place], ("paragraph", "An inserted paragraph of a few words."), *paragraphs[place:]]
        changed.append(len({chunk.id for chunk in cut(parsed("# A", *edited))} - old))

    assert len(old) > 40
    assert sum(changed) / len(changed) <= 4


def test_a_long_title_and_path_leave_half_of_the_cap_to_the_text() -> None:
    title, names = some_words(50, "title"), [some_words(9, f"h{level}x") for level in range(1, 6)]
    headings = [f"{'#' * level} {name}" for level, name in enumerate(names, start=1)]
    document = parsed(*headings, ("paragraph", "The text itself."), title=title)
    [chunk] = cut(document, max_tokens=32)

    assert chunk.text == "The text itself."
    assert chunk.title.startswith("title0 ")
    assert chunk.title.endswith("…")
    assert chunk.heading_path[0].startswith("h5x0 ")
    assert Words().count(chunk.embedded_text.split("\n")[0]) <= 15
    assert cut(document, max_tokens=32) == [chunk]


def test_outer_headings_go_before_inner_ones() -> None:
    headings = [f"{'#' * level} Level{level}" for level in range(1, 101)]
    [chunk] = cut(parsed(*headings, ("paragraph", "text"), title="Guide"), max_tokens=24)

    assert chunk.title == "Guide"
    assert chunk.heading_path == tuple(f"Level{level}" for level in range(96, 101))


def test_blocks_that_overlap_are_refused() -> None:
    blocks = (Block(kind="paragraph", start=0, end=5), Block(kind="paragraph", start=3, end=8))

    with pytest.raises(ParseError, match=r"guide\.md: the paragraph block at 3\.\.8"):
        cut(ParsedDocument(text="some text", blocks=blocks))


def test_a_counter_that_no_character_can_satisfy_is_refused() -> None:
    class Absurd(Words):
        def count(self, text: str) -> int:
            return 100 * len(text)

    chunker = StructuralChunker(ChunkingConfig(max_tokens=16), Absurd())
    with pytest.raises(ConfigurationError, match="one character takes more tokens"):
        chunker.chunk(parsed(("paragraph", "text")), uri="a.md")


def test_the_version_names_cap_and_counter() -> None:
    versions = {
        StructuralChunker(ChunkingConfig(max_tokens=cap), counter).version
        for cap in (64, 128)
        for counter in (Words(), token_counter(None))
    }

    assert len(versions) == 4


def test_empty_documents_have_no_chunks() -> None:
    assert cut(ParsedDocument(text="", blocks=())) == []
    assert cut(ParsedDocument(text=" \n ", blocks=(Block(kind="paragraph", start=0, end=3),))) == []


def test_a_document_as_given_is_one_chunk_however_long() -> None:
    text = some_words(1000) + "\n\nlast line\n"
    chunk = whole(Document(uri="a", title="Claims", text=text), Words())

    assert (chunk.text, chunk.start, chunk.end) == (text, 0, len(text))
    assert chunk.embedded_text == f"Claims\n{text}"
    assert chunk.tokens == 2 + 1 + 1002
    assert (chunk.line_start, chunk.line_end) == (1, 3)
    assert chunk.id == whole(Document(uri="a", title="Claims", text=text), Words()).id
