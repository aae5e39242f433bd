"""AsciiDoc: blocks over the source."""

from __future__ import annotations

from pathlib import Path

from tercet.ingestion.parsers import parse
from tercet.records import ParsedDocument

PAGE = """\
= The *Guide*
:toc:
:keywords: keys, rotation

// comment
== Set up [[setup]]

NOTE: Take care.

[source,bash]
----
== not a heading
----

[WARNING]
====
Hot.

* one
* two
+
more of two
====

.Title of the table
|===
|a |b

|1
|2
|===

[#custom]
=== Deep
include::other.adoc[]
////
not shown
////
term:: definition
=== Deep
"""


def read(text: str) -> ParsedDocument:
    return parse(text.encode(), name="x.adoc")


def test_blocks_of_a_page() -> None:
    document = read(PAGE)
    assert [(block.kind, block.line, document.text[block.start : block.end]) for block in document.blocks] == [
        ("heading", 1, "= The *Guide*"),
        ("heading", 6, "== Set up [[setup]]"),
        ("admonition", 8, "NOTE: Take care."),
        ("code", 11, "----\n== not a heading\n----"),
        ("admonition", 17, "Hot."),
        ("admonition", 19, "* one\n* two\n+\nmore of two"),
        ("paragraph", 25, ".Title of the table"),
        ("table", 27, "|a |b\n\n|1\n|2"),
        ("heading", 34, "=== Deep"),
        ("list", 39, "term:: definition"),
        ("heading", 40, "=== Deep"),
    ]
    headings = [block for block in document.blocks if block.kind == "heading"]
    assert [(block.title, block.level, block.anchor) for block in headings] == [
        ("The Guide", 1, "_the_guide"),
        ("Set up", 2, "setup"),
        ("Deep", 3, "custom"),
        ("Deep", 3, "_deep"),
    ]
    assert (document.title, document.metadata, document.verbatim) == ("The Guide", {"keywords": "keys, rotation"}, True)
    assert [(finding.kind, finding.count) for finding in document.findings] == [("include", 1)]


def test_the_header_row_of_a_table_and_the_opening_of_a_listing_lead() -> None:
    document = read(PAGE)
    leads = [document.text[block.start : block.lead_end] for block in document.blocks if block.lead_end]
    assert leads == ["----", "|a |b"]


def test_a_block_that_is_never_closed_ends_with_the_page() -> None:
    document = read("----\n== code\n\nmore")
    assert [(block.kind, document.text[block.start : block.end]) for block in document.blocks] == [
        ("code", "----\n== code\n\nmore")
    ]


def test_markdown_fences_and_headings_are_understood() -> None:
    document = read("## Title\n\n```sh\n# no\n```\n\nafter")
    assert [block.kind for block in document.blocks] == ["heading", "code", "paragraph"]


def test_the_text_of_the_data_is_found(data_dir: Path) -> None:
    for source in sorted((data_dir / "ingestion/docling/asciidoc/sources").glob("*.asciidoc")):
        document = parse(source.read_bytes(), name=source.name)
        assert document.title
        assert any(block.kind == "table" for block in document.blocks) or "|===" not in document.text
