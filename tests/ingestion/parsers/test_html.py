from __future__ import annotations

import pytest

from tercet.errors import ParseError
from tercet.ingestion.parsers import parse
from tercet.records import ParsedDocument


def read(html: str) -> ParsedDocument:
    return parse(html.encode(), name="page.html")


def shape(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_only_the_main_content_is_kept() -> None:
    document = read(
        "<html lang=en><head><title>Keys - Shop</title><meta name=description content='About  keys'>"
        "<style>p{}</style></head>"
        "<body><header><a>Home</a></header><nav>nav</nav><div class='breadcrumbs'>a &gt; b</div><aside>ads</aside>"
        "<main><h1>Keys</h1><p>Rotate   <b>th</b>em.</p><div class='cookie-banner'>ok?</div><script>x</script></main>"
        "<footer>end</footer></body></html>"
    )
    assert shape(document) == [("heading", "# Keys"), ("paragraph", "Rotate them.")]
    assert document.title == "Keys"
    assert document.metadata == {"description": "About keys", "lang": "en"}


def test_a_page_without_a_main_area_is_rendered_whole() -> None:
    assert read("<div role=main></div><p>A longer text that is the content.</p>").text == (
        "A longer text that is the content."
    )


def test_hidden_text_is_dropped_and_counted() -> None:
    document = read(
        "<p>seen</p><p hidden>1</p><p style='display: none'>2</p><span style='font-size:0px'>3</span>"
        "<p style='visibility:hidden'>4</p><p style='position:absolute;left:-9999px'>5</p><i aria-hidden=true></i>"
        "<p style='font-size:0.9em'>small</p><p>te&#x200b;xt</p>"
    )
    assert document.text == "seen\n\nsmall\n\ntext"
    assert {finding.kind: finding.count for finding in document.findings} == {"hidden-text": 5, "zero-width": 1}


def test_headings_carry_the_anchor_of_the_page() -> None:
    document = read(
        "<section id=s1><h2>One<a class=headerlink href=#s1>¶</a></h2></section>"
        "<h3 id=x>Two</h3><h3><a name=y></a>3</h3>"
    )
    assert [(b.level, b.title, b.anchor) for b in document.blocks] == [(2, "One", "s1"), (3, "Two", "x"), (3, "3", "y")]


def test_lists_nest_and_code_in_them_stands_alone() -> None:
    assert shape(
        read("<ul><li>a<ul><li>b<p>c</p></ul><li>d<pre>x</pre>e</ul><ol><li>1st<li>2nd</ol><dl><dt>t<dd>d</dl>")
    ) == [
        ("list", "- a\n  - b\n    c\n- d"),
        ("code", "```\nx\n```"),
        ("list", "  e"),
        ("list", "1. 1st\n2. 2nd"),
        ("list", "t\n    d"),
    ]


def test_code_keeps_its_white_space_and_language() -> None:
    document = read(
        "<div class='highlight-python notranslate'><pre><span></span><span class=k>def</span>"
        " f():\n    return 1\n</pre></div>"
        "<pre><code class='language-sh'>a\n\n  b</code></pre><p>Use <code>f()</code>.</p>"
    )
    assert shape(document) == [
        ("code", "```python\ndef f():\n    return 1\n```"),
        ("code", "```sh\na\n\n  b\n```"),
        ("paragraph", "Use `f()`."),
    ]


def test_line_numbers_beside_code_are_dropped() -> None:
    document = read(
        "<table class=highlighttable><tr><td class=linenos><pre>1\n2</pre><td class=code><pre>x\ny</pre></table>"
    )
    assert shape(document) == [("code", "```\nx\ny\n```")]


def test_tables_are_rows_with_a_lead() -> None:
    document = read("<table><caption>C</caption><tr><th>A<th>B<tr><td>1|2<td><p>x</p><p>y</p></table>")
    assert shape(document) == [("paragraph", "C"), ("table", "A | B\n--- | ---\n1\\|2 | x y")]
    table = document.blocks[1]
    assert document.text[table.start : table.lead_end] == "A | B\n--- | ---"


def test_admonitions_are_one_block() -> None:
    document = read(
        "<div class='admonition note'><p class=admonition-title>Note</p><p>Care.</p><ul><li>x</ul></div><p>after</p>"
    )
    assert shape(document) == [("admonition", "Note\nCare.\n- x"), ("paragraph", "after")]


def test_lines_point_into_the_file() -> None:
    assert [block.line for block in read("<p>one</p>\n\n<h2>two</h2>\n<p>three</p>").blocks] == [1, 3, 4]


def test_deep_nesting_is_walked_without_recursion() -> None:
    assert read("<div>" * 1500 + "deep" + "</div>" * 1500 + "<p>after").text == "deep\n\nafter"


def test_nesting_that_would_lose_text_is_refused() -> None:
    with pytest.raises(ParseError, match="nested"):
        read("<div>" * 100_000 + "deep")


def test_broken_markup_is_read_as_a_browser_would() -> None:
    assert read("<p>a<p>b <b>c</p>d<table><td>e").text == "a\n\nb c\n\nd\n\ne"
