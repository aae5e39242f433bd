"""PDF files: structure, what is left out, titles and pages."""

from __future__ import annotations

import pytest

from tercet.ingestion.chunking import StructuralChunker
from tercet.ingestion.parsers import parse
from tercet.models.tokens import token_counter
from tercet.records import Citation, ParsedDocument
from tercet.settings import ChunkingConfig
from tests.ingestion.parsers.pdf_files import lines, pdf, text

PROSE = [
    "The committee met in the spring to consider how the archive could be moved",
    "to the new building without closing the reading room for longer than a week,",
    "and it asked the staff to draw up a plan with dates and costs before summer.",
]


def read(*pages: list[bytes], **options) -> ParsedDocument:
    return parse(pdf(pages, **options), name="a.pdf")


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(b.kind, document.text[b.start : b.end]) for b in document.blocks if b.start < b.end]


def test_lines_are_joined_to_paragraphs_under_headings_ranked_by_size():
    document = read(
        [
            text(72, 720, "Moving the archive", size=20),
            lines(72, 690, PROSE),
            text(72, 630, "Costs", size=14),
            lines(72, 600, PROSE),
        ]
    )
    paragraph = " ".join(PROSE)
    assert blocks(document) == [
        ("heading", "# Moving the archive"),
        ("paragraph", paragraph),
        ("heading", "## Costs"),
        ("paragraph", paragraph),
    ]
    assert document.title == "Moving the archive"


def test_a_gap_between_lines_parts_paragraphs():
    document = read([lines(72, 700, PROSE), lines(72, 640, PROSE)])
    assert [kind for kind, _ in blocks(document)] == ["paragraph", "paragraph"]


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("We looked for the documen-", "tation of the old shelves in the cellar", "documentation"),
        ("The shelves in the cellar were all self-", "assembled by the staff some years ago", "self-assembled"),
        ("It was moved in the years of the war, in 1914-", "1918, when nothing was written down", "1914-1918"),
    ],
)
def test_a_hyphen_at_a_line_end_goes_only_where_the_word_needs_none(first, second, joined):
    document = read([lines(72, 700, [first, second])])
    assert f" {joined}" in document.text


def test_a_compound_that_the_document_writes_elsewhere_keeps_its_hyphen():
    told = "There is a fire-proof door in the cellar of the building"
    document = read([lines(72, 700, [told, "and nobody knows who put a second fire-", "proof door behind it."])])
    assert document.text.count("fire-proof") == 2


def test_columns_are_read_one_after_the_other_below_what_lies_across_them():
    left = [f"left column line {number} of the text" for number in range(12)]
    right = [f"right column line {number} of the text" for number in range(12)]
    document = read([text(72, 740, "A title across both of the columns of this page", size=18)], [
        text(72, 740, "A wide first line that goes from the left margin far into the right-hand column of it"),
        lines(72, 710, left),
        lines(330, 710, right),
    ])  # fmt: skip
    words = document.text
    places = [words.index(line) for line in ("A wide", left[0], left[11], right[0], right[11])]
    assert places == sorted(places)


def test_aligned_cells_over_three_lines_are_a_table():
    rows = [("Item", "Count", "Price"), ("Shelf", "12", "40.00"), ("Box", "300", "1.20"), ("Lamp", "7", "18.50")]
    cells = [text(72 + 130 * c, 600 - 14 * r, cell) for r, row in enumerate(rows) for c, cell in enumerate(row)]
    document = read([lines(72, 700, PROSE), *cells, lines(72, 500, PROSE)])
    [(_, table)] = [block for block in blocks(document) if block[0] == "table"]
    assert table.split("\n") == [
        "Item | Count | Price",
        "--- | --- | ---",
        "Shelf | 12 | 40.00",
        "Box | 300 | 1.20",
        "Lamp | 7 | 18.50",
    ]


def test_two_lines_of_cells_are_no_table():
    cells = [text(72 + 130 * c, 600 - 14 * r, f"cell {r} {c}") for r in range(2) for c in range(3)]
    assert "table" not in {kind for kind, _ in blocks(read([lines(72, 700, PROSE), *cells]))}


def test_list_items_are_one_list():
    items = ["\x95 Pack the boxes.", "\x95 Label the boxes by shelf", "  and by year.", "\x95 Call the carrier."]
    document = read(
        [
            lines(72, 700, PROSE),
            *[text(72, 640 - 12 * i, t.encode("latin-1").decode("cp1252")) for i, t in enumerate(items)],
        ]
    )
    [(_, found)] = [block for block in blocks(document) if block[0] == "list"]
    assert found.split("\n") == ["- Pack the boxes.", "- Label the boxes by shelf and by year.", "- Call the carrier."]


def test_running_headers_footers_and_page_numbers_are_dropped():
    pages = [
        [
            text(72, 760, "Annual report of the archive", size=8),
            lines(72, 700, [f"Page {word} tells of something else than the others do.", *PROSE]),
            text(300, 30, f"Page {number} of 4", size=8),
        ]
        for number, word in enumerate(("one", "two", "three", "four"), 1)
    ]
    document = read(*pages)
    assert "Annual report" not in document.text
    assert " of 4" not in document.text
    assert all(f"Page {word} tells" in document.text for word in ("one", "two", "three", "four"))


def test_rows_of_numbers_at_the_foot_of_pages_stay():
    amounts = [("1840", "77"), ("12", "903"), ("665", "4"), ("30", "31")]
    pages = [[lines(72, 700, PROSE), text(72, 60, a), text(272, 60, b)] for a, b in amounts]
    document = read(*pages)
    assert all(a in document.text and b in document.text for a, b in amounts)


def test_a_paragraph_goes_on_over_a_page_break():
    document = read([lines(72, 100, PROSE[:2])], [lines(72, 700, PROSE[2:])])
    assert blocks(document) == [("paragraph", " ".join(PROSE))]


def test_bold_lines_that_stand_alone_are_headings():
    document = read([text(72, 700, "Transport", bold=True), lines(72, 680, PROSE), lines(72, 630, PROSE)])
    assert blocks(document)[0] == ("heading", "# Transport")


def test_bold_words_inside_a_paragraph_are_no_heading():
    document = read([lines(72, 700, PROSE[:2]), text(72, 676, "Before summer", bold=True), lines(72, 664, PROSE)])
    assert "heading" not in {kind for kind, _ in blocks(document)}


def test_the_outline_says_what_is_a_heading():
    content = [text(72, 720, "First part"), lines(72, 700, PROSE), text(72, 640, "Second part"), lines(72, 620, PROSE)]
    document = read(content, outline=[("First part", 0), ("Second part", 0)])
    assert [b.title for b in document.blocks if b.kind == "heading" and b.title] == ["First part", "Second part"]
    assert "heading" not in {kind for kind, _ in blocks(read(content))}


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("Handbook of the archive", "Handbook of the archive"),
        ("Microsoft Word - draft 3.doc", "Moving the archive"),
        ("untitled", "Moving the archive"),
        ("final_v2.indd", "Moving the archive"),
        ("", "Moving the archive"),
    ],
)
def test_the_title_is_that_of_the_metadata_where_it_is_one(given, title):
    content = [text(72, 720, "Moving the archive", size=20), lines(72, 690, PROSE)]
    assert read(content, title=given).title == title


def test_a_chunk_is_of_one_page_and_its_citation_names_it():
    pages = [[lines(72, 700, [f"Page {word} has its own sentence.", *PROSE])] for word in ("one", "two", "three")]
    document = read([text(72, 740, "Moving", size=20), *pages[0]], *pages[1:])
    chunks = StructuralChunker(ChunkingConfig(), token_counter(None)).chunk(document, uri="a.pdf")
    assert [chunk.anchor for chunk in chunks] == ["page=1", "page=2", "page=3"]
    assert {chunk.heading_path for chunk in chunks} == {()}  # the title is not said twice
    assert [chunk.line_start for chunk in chunks] == [0, 0, 0]
    assert str(Citation(uri="a.pdf", title="Moving", anchor=chunks[1].anchor)) == "a.pdf#page=2 (Moving)"


def test_a_heading_with_nothing_below_it_stays():
    document = read(
        [text(72, 720, "Moving", size=20), text(72, 100, "Costs", size=14)],
        [text(72, 720, "End", size=20), lines(72, 690, PROSE)],
    )
    chunks = StructuralChunker(ChunkingConfig(), token_counter(None)).chunk(document, uri="a.pdf")
    assert any("Costs" in chunk.text for chunk in chunks)


def test_pages_are_counted_in_the_metadata():
    assert read([lines(72, 700, PROSE)], [lines(72, 700, PROSE)]).metadata == {"pages": 2}
