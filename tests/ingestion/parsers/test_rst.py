from __future__ import annotations

from docutils.parsers.rst import directives, roles

from tercet.ingestion.parsers import parse
from tercet.records import ParsedDocument


def read(text: str) -> ParsedDocument:
    return parse(text.encode(), name="page.rst")


def shape(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_sections_become_headings_with_levels_anchors_and_lines() -> None:
    document = read(".. _start here:\n\nKeys\n====\n\ntext\n\nSub ``x``\n---------\n\nmore\n\nLast\n====\n\nend\n")
    assert [(b.level, b.title, b.anchor, b.line) for b in document.blocks if b.kind == "heading"] == [
        (1, "Keys", "start-here", 3),
        (2, "Sub `x`", "sub-x", 8),
        (1, "Last", "last", 13),
    ]
    assert document.title == "Keys"
    assert not document.verbatim
    assert [block.line for block in document.blocks if block.kind == "paragraph"] == [6, 11, 16]


def test_roles_become_the_text_that_readers_see() -> None:
    source = (
        ":class:`~shop.Key` :meth:`.rotate` :py:func:`shop.f` :doc:`/guide/start` :ref:`Title <label>` "
        ":file:`a.py` :made-up:`thing` :pep:`8` `default` ``code`` *em* `link <http://x.y>`_"
    )
    assert read(source).text == ("Key rotate shop.f guide/start Title `a.py` thing PEP 8 default `code` em link")


def test_code_blocks_become_fences_with_their_language() -> None:
    document = read(
        ".. code-block:: python\n   :caption: ``a.py``\n\n   # comment\n   x = 1\n\n"
        "Then::\n\n   raw ```\n   ```\n\n>>> f()\n1\n"
    )
    assert shape(document) == [
        ("paragraph", "`a.py`"),
        ("code", "```python\n# comment\nx = 1\n```"),
        ("paragraph", "Then:"),
        ("code", "````\nraw ```\n```\n````"),
        ("code", "```python\n>>> f()\n1\n```"),
    ]
    first = document.blocks[1]
    assert document.text[first.start : first.lead_end] == "```python"


def test_lists_nest_and_code_in_them_stands_alone() -> None:
    source = "- one\n\n  two\n\n  1. a\n  2. b\n\n- code::\n\n    ls\n\n  end\n"
    assert shape(read(source)) == [
        ("list", "- one\n  two\n  1. a\n  2. b\n- code:"),
        ("code", "```\nls\n```"),
        ("list", "  end"),
    ]


def test_tables_of_each_notation_have_rows_and_a_lead() -> None:
    simple = "=== ===\nA   B\n=== ===\n1   x|y\n=== ===\n"
    grid = "+---+---+\n| A | B |\n+===+===+\n| 1 | 2 |\n+---+---+\n"
    listed = ".. list-table::\n   :header-rows: 1\n\n   * - A\n     - B\n   * - 1\n     - 2\n"
    csv = ".. csv-table::\n   :header: A, B\n\n   1, 2\n"
    assert shape(read(simple)) == [("table", "A | B\n--- | ---\n1 | x\\|y")]
    for source in (grid, listed, csv):
        document = read(source)
        assert shape(document) == [("table", "A | B\n--- | ---\n1 | 2")]
        assert document.text[: document.blocks[0].lead_end] == "A | B\n--- | ---"


def test_admonitions_and_version_notes_are_labelled() -> None:
    source = (
        ".. note:: Careful.\n   Very.\n\n   Second.\n\n.. admonition:: Own title\n\n   Body.\n\n"
        ".. versionadded:: 2.2\n   New.\n\n.. deprecated:: 3.0\n\n.. versionchanged:: 2.3 Short.\n"
    )
    assert shape(read(source)) == [
        ("admonition", "Note: Careful.\nVery.\nSecond."),
        ("admonition", "Own title: Body."),
        ("admonition", "Added in version 2.2: New."),
        ("admonition", "Deprecated since version 3.0"),
        ("admonition", "Changed in version 2.3: Short."),
    ]


def test_sphinx_directives_keep_their_signature_and_content() -> None:
    source = (
        ".. toctree::\n   :maxdepth: 2\n\n   a\n   b\n\n"
        ".. py:function:: rotate(key)\n   :module: shop\n\n   Rotates.\n\n"
        ".. autoclass:: shop.Key\n   :members:\n\n.. tabs::\n\n   .. group-tab:: Linux\n\n      Run it.\n"
    )
    document = read(source)
    assert shape(document) == [
        ("paragraph", "`rotate(key)`"),
        ("paragraph", "Rotates."),
        ("paragraph", "`shop.Key`"),
        ("paragraph", "Linux"),
        ("paragraph", "Run it."),
    ]
    assert document.findings == ()


def test_unknown_directives_keep_their_content_and_are_reported() -> None:
    document = read(".. frobnicate:: arg\n   :option: 1\n\n   Content with ``code``.\n")
    assert shape(document) == [("paragraph", "arg"), ("paragraph", "Content with `code`.")]
    assert [(finding.kind, finding.detail) for finding in document.findings] == [("unknown-directive", "frobnicate")]


def test_nothing_outside_the_file_is_read() -> None:
    document = read(
        ".. include:: /etc/hostname\n\n.. literalinclude:: /etc/hostname\n\n.. raw:: html\n\n   <b>x</b>\n\n"
        ".. csv-table::\n   :file: /etc/hostname\n\nend\n"
    )
    assert shape(document)[-1] == ("paragraph", "end")
    assert "<b>" not in document.text
    assert {finding.detail for finding in document.findings if finding.kind == "not-included"} == {
        "include",
        "literalinclude",
        "raw",
    }


def test_markup_errors_keep_the_text_and_are_reported() -> None:
    document = read("+---+\n| a\n+-+\n\nafter *open\n")
    assert "| a" in document.text
    assert shape(document)[-1] == ("paragraph", "after *open")
    assert document.findings[0].kind == "rst-error"


def test_substitutions_are_resolved_and_hidden_characters_in_them_removed() -> None:
    document = read(".. |v| replace:: 1.2\n.. |z| unicode:: U+200B\n\nVersion |v| |z| and |other|.\n\nx |z| y\n")
    assert "Version 1.2" in document.text
    assert "\u200b" not in document.text
    assert "zero-width" in {finding.kind for finding in document.findings}


def test_a_leading_field_list_is_metadata() -> None:
    document = read(":orphan:\n:effective_from: 2024-01-01\n\nKeys\n====\n")
    assert document.metadata == {"effective_from": "2024-01-01"}


def test_parsing_leaves_no_trace_in_the_registries_and_no_noise(capfd: object) -> None:
    before = set(directives._directives), set(roles._roles), set(roles._role_registry)
    read(
        ".. role:: custom\n\n.. default-role:: math\n\n:custom:`x` `y`\n\n.. note:: x\n\n.. unknown:: y\n\nbad ``open\n"
    )
    after = set(directives._directives), set(roles._roles), set(roles._role_registry)
    assert after == before
    assert capfd.readouterr() == ("", "")


def test_nesting_beyond_the_stack_is_read_as_plain_text() -> None:
    document = read("".join(f"{' ' * depth}* a\n\n" for depth in range(400)))
    assert document.blocks
    assert document.findings[0].kind == "rst-error"
