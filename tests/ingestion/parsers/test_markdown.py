from __future__ import annotations

from tercet.ingestion.parsers import parse
from tercet.records import ParsedDocument


def read(text: str) -> ParsedDocument:
    return parse(text.encode(), name="page.md")


def shape(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def headings(text: str) -> list[tuple[int, str, str]]:
    return [(block.level, block.title, block.anchor) for block in read(text).blocks if block.kind == "heading"]


def test_front_matter_becomes_metadata_and_is_in_no_block() -> None:
    document = read(
        "---\ntitle: API keys\ntags: [a, b]\neffective_from: 2024-05-01\ndraft: false\nnested: {a: 1}\n---\n"
        "\n# Keys\n\nText."
    )
    assert document.title == "API keys"
    assert document.metadata == {
        "title": "API keys",
        "tags": ("a", "b"),
        "effective_from": "2024-05-01",
        "draft": False,
    }
    assert [(finding.kind, finding.detail) for finding in document.findings] == [("nested-metadata", "nested")]
    assert shape(document) == [("heading", "# Keys"), ("paragraph", "Text.")]


def test_toml_front_matter_is_read_too() -> None:
    assert read('+++\ntitle = "Keys"\n+++\nText').title == "Keys"


def test_unreadable_front_matter_is_reported_and_the_page_still_parsed() -> None:
    document = read("---\na: [\n---\ntext")
    assert document.findings[0].kind == "front-matter"
    assert shape(document) == [("paragraph", "text")]


def test_a_rule_at_the_top_is_not_front_matter() -> None:
    assert shape(read("---\nJust text\n\n---\nmore"))[0] == ("paragraph", "Just text")


def test_headings_have_plain_titles_and_anchors_used_once() -> None:
    source = (
        "# The `run()` **call**\n\nSub & more\n---\n\n## Keys { #api-keys }\n\n"
        "## Keys {#api-keys .x}\n\n### Set up!\n\n### Set up"
    )
    assert headings(source) == [
        (1, "The run() call", "the-run-call"),
        (2, "Sub & more", "sub--more"),
        (2, "Keys", "api-keys"),
        (2, "Keys", "api-keys"),
        (3, "Set up!", "set-up"),
        (3, "Set up", "set-up-1"),
    ]


def test_title_markup_is_reduced_to_what_a_reader_sees() -> None:
    assert headings("# [Link](x.md) ![alt](y.png) a_b_c __init__ \\* &amp; <b>x</b>")[0][1] == (
        "Link alt a_b_c __init__ * & x"
    )


def test_the_title_is_not_taken_from_a_later_section() -> None:
    assert read("Intro text.\n\n## Details\n\nx").title == ""
    assert read("## Details\n\nx").title == "Details"


def test_a_paragraph_marked_as_heading_stays_text() -> None:
    assert shape(read("word " * 60 + "\n---"))[0][0] == "paragraph"


def test_comments_in_code_are_no_headings() -> None:
    document = read("```sh\n# not a heading\n\n~~~\n```\n\n    # indented\n    code\n")
    assert shape(document) == [("code", "```sh\n# not a heading\n\n~~~\n```"), ("code", "    # indented\n    code")]
    first = document.blocks[0]
    assert document.text[first.start : first.lead_end] == "```sh"


def test_a_table_leads_with_its_header_and_delimiter_row() -> None:
    document = read("| a | b |\n|---|---|\n| 1 | 2 |\n\nafter")
    table = document.blocks[0]
    assert (table.kind, document.text[table.start : table.lead_end]) == ("table", "| a | b |\n|---|---|")
    assert document.text[table.start : table.end].endswith("| 1 | 2 |")


def test_lists_and_quotes_are_single_blocks_without_code_in_them() -> None:
    assert shape(read("- a\n  - b\n\n  more\n- c\n\n> quoted\n> # no heading\n")) == [
        ("list", "- a\n  - b\n\n  more\n- c"),
        ("paragraph", "> quoted\n> # no heading"),
    ]
    assert shape(read("1. Run\n\n   ```sh\n   ls\n   ```\n\n   then\n2. End")) == [
        ("list", "1. Run"),
        ("code", "   ```sh\n   ls\n   ```"),
        ("list", "   then\n2. End"),
    ]


def test_admonitions_of_every_dialect_are_one_block() -> None:
    for source in (
        '!!! note "Title"\n    body\n\n    second\n',
        "??? tip\n    body\n",
        "::: warning\nbody\n\nsecond\n:::",
        ":::note Title\nbody\n:::",
        ":::{tip}\nbody\n:::",
        "/// note | Title\n\nbody\n\n///",
        "> [!NOTE]\n> body",
    ):
        assert shape(read(source))[0][0] == "admonition"
        assert "body" in shape(read(source))[0][1]


def test_text_after_an_indented_admonition_is_outside() -> None:
    assert shape(read("!!! note\n    body\n\nafter")) == [("admonition", "!!! note\n    body"), ("paragraph", "after")]


def test_tabs_are_transparent() -> None:
    assert shape(read('=== "Linux"\n\n    ```sh\n    ls\n    ```\n\n=== "Mac"\n\n    text\n')) == [
        ("paragraph", '=== "Linux"'),
        ("code", "    ```sh\n    ls\n    ```"),
        ("paragraph", '=== "Mac"'),
        ("paragraph", "    text"),
    ]
    assert shape(read("//// tab | Python\n\n```py\nx\n```\n\n////\n\nafter"))[1:] == [
        ("code", "```py\nx\n```"),
        ("paragraph", "after"),
    ]


def test_an_unclosed_container_does_not_swallow_the_page() -> None:
    assert shape(read("::: package.module\n\n# Next\n\ntext"))[1] == ("heading", "# Next")


def test_a_container_marker_in_code_closes_nothing() -> None:
    assert shape(read("::: note\n```\n:::\n```\nend\n:::\n\nafter"))[-1] == ("paragraph", "after")


def test_link_reference_definitions_are_in_no_block() -> None:
    assert shape(read("See [a].\n\n[a]: http://example.com 'x'\n")) == [("paragraph", "See [a].")]


def test_comments_and_hidden_html_are_blanked_and_lines_kept() -> None:
    document = read(
        "one <!-- ignore all --> two\n\n<!-- multi\n\nline -->\n\n"
        "<div style='display:none'>\n\nsecret\n\n</div>\n\n`<!-- code -->`\n"
    )
    assert "ignore" not in document.text
    assert "secret" not in document.text
    assert "`<!-- code -->`" in document.text
    assert {(finding.kind, finding.count) for finding in document.findings} == {("html-comment", 2), ("hidden-html", 1)}
    assert [block.line for block in document.blocks] == [1, 13]


def test_tags_alone_are_no_block_and_visible_html_is() -> None:
    assert shape(read('<div class="x">\n\ntext\n\n</div>\n\n<p title="hidden layers">seen</p>')) == [
        ("paragraph", "text"),
        ("paragraph", '<p title="hidden layers">seen</p>'),
    ]
