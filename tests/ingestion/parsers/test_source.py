"""Source code that tree-sitter reads: where it is cut, what its blocks stand under, and what becomes of odd files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.ingestion.parsers import FORMATS, SOURCES, parse
from tercet.records import ParsedDocument

SNIPPETS = Path(__file__).parents[2] / "fixtures" / "source"
SUFFIXES = sorted(suffix for suffix, kind in FORMATS.items() if kind.startswith("source:"))
GRAMMARS = sorted(set(SOURCES) - {"r", "sql"})


def read(text: str, name: str) -> ParsedDocument:
    document = parse(text.encode("utf-8", "replace"), name=name)
    check(document)
    return document


def check(document: ParsedDocument) -> None:
    text, position, line = document.text, 0, 1
    outside = []
    for block in document.blocks:
        assert position <= block.start <= block.end <= len(text)
        assert block.kind in ("heading", "code")
        assert (block.start == block.end) == (block.kind == "heading")
        assert (block.title != "") == (block.level > 0) == (block.kind == "heading")
        line += text.count("\n", position, block.start)
        assert block.line == line
        assert block.start == 0 or text[block.start - 1] == "\n"
        assert block.start == block.end or block.end == len(text) or text[block.end] == "\n"
        line += text.count("\n", block.start, block.end)
        outside.append(text[position : block.start])
        position = block.end
    outside.append(text[position:])
    if "minified" not in {finding.kind for finding in document.findings}:
        assert not "".join(outside).strip()


def paths(document: ParsedDocument) -> list[tuple[int, str]]:
    """Each block of code: its line, and the headings it stands under."""
    found, path = [], list[str]()
    for block in document.blocks:
        if block.kind == "heading":
            path[block.level - 1 :] = [block.title]
        else:
            found.append((block.line, " > ".join(path)))
    return found


def first_lines(document: ParsedDocument) -> list[tuple[str, str]]:
    lines = document.text.split("\n")
    return [(path, lines[line - 1].strip()) for line, path in paths(document)]


EXPECTED = {
    "keys.js": [(1, ""), (6, ""), (8, "load"), (14, "size"), (16, "Ring"), (33, "Ring > drop"), (37, "module")],
    "panel.jsx": [(1, ""), (3, "Panel"), (11, "Frame")],
    "keys.ts": [(1, ""), (3, "Key"), (8, "Names"), (10, "State"), (15, "inner > check"), (21, "Ring"), (35, "now")],
    "panel.tsx": [(1, "Props"), (3, "Panel")],
    "keys.go": [
        *[(1, ""), (3, ""), (6, ""), (11, ""), (13, "Key"), (19, "Names"), (22, "Store"), (27, "Load")],
        *[(38, "Key > Rotate"), (41, "Map")],
    ],
    "keys.rs": [
        *[(1, ""), (7, ""), (9, "Key"), (15, "Store"), (19, "Key"), (32, "std::fmt::Display for Key"), (38, "key")],
        *[(42, "tests"), (46, "tests > makes_a_key")],
    ],
    "Ring.java": [(1, ""), (3, ""), (5, "Ring"), (24, "Store"), (28, "Key")],
    "keys.c": [(1, ""), (4, ""), (6, ""), (8, "load"), (14, "main")],
    "keys.h": [
        *[(1, ""), (7, ""), (9, "key"), (15, "ring"), (19, "state"), (21, "module"), (24, "module")],
        (27, "drop"),
    ],
    "ring.hpp": [(1, ""), (4, "keys > Ring"), (24, "keys > inner")],
    "ring.cpp": [
        *[(1, ""), (3, ""), (5, "Key > rotate"), (11, "Key > ~Key"), (13, "Ring<int> > find"), (16, "drop")],
        (20, "operator<<"),
    ],
    "Ring.cs": [
        *[(1, ""), (3, "Example.Keys > Ring"), (21, "Example.Keys > IStore"), (23, "Example.Keys > Key")],
        (25, "Example.Keys > State"),
    ],
    "ring.rb": [(1, ""), (3, ""), (5, "Keys"), (8, "Keys > Ring"), (25, "Keys > load")],
    "Ring.php": [(1, ""), (4, ""), (6, ""), (8, "Ring"), (26, "Store"), (28, "load")],
    "Ring.kt": [(1, ""), (3, ""), (5, ""), (7, "Ring"), (25, "Store"), (29, "Defaults"), (31, "load")],
    "Ring.swift": [(1, ""), (3, ""), (5, "Ring"), (21, "Store"), (25, "Ring"), (29, "Key"), (31, "load")],
    "Ring.scala": [(1, ""), (3, ""), (5, "Ring"), (19, "Ring"), (23, "Store"), (27, "Key")],
    "keys.sh": [(1, ""), (5, ""), (7, "load"), (13, "rotate"), (19, "module")],
    "ring.lua": [
        *[(1, ""), (5, ""), (7, "Ring > new"), (13, "Ring > rotate"), (17, "load"), (21, "Ring > drop")],
        (23, "module"),
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_code_stands_under_the_symbols_that_it_defines(name: str) -> None:
    document = read((SNIPPETS / name).read_text(), name)
    assert paths(document) == EXPECTED[name]
    assert document.findings == ()


def test_every_language_with_a_grammar_has_a_snippet() -> None:
    assert {FORMATS[Path(name).suffix].removeprefix("source:") for name in EXPECTED} == set(GRAMMARS)
    assert {path.name for path in SNIPPETS.iterdir()} == set(EXPECTED)


LARGE = {
    "keys.js": [
        ("Ring", "/** A ring of keys. */"),
        ("Ring > constructor", "// filler"),
        ("Ring > rotate", "/** Replace"),
        ("Ring > drop", "Ring.prototype"),
    ],
    "keys.ts": [
        ("Ring", "@sealed"),
        ("Ring > constructor", "constructor(private readonly store: Store) {}"),
        ("Ring > rotate", "/** Replace"),
    ],
    "keys.rs": [("Key", "/// One key."), ("Key > new", "impl Key {"), ("Key > rotate", "#[must_use]")],
    "Ring.java": [
        ("Ring", "/** A ring of keys. */"),
        ("Ring > Ring", "// filler"),
        ("Ring > rotate", "/** Replace"),
        ("Ring > State", "enum State { FRESH, USED }"),
    ],
    "ring.hpp": [
        ("keys > Ring", "namespace keys {"),
        ("keys > Ring > Ring", "// filler"),
        ("keys > Ring > ~Ring", "~Ring() override"),
        ("keys > Ring > rotate", "/// Replace"),
        ("keys > Ring", "private:"),
    ],
    "Ring.cs": [
        ("Example.Keys > Ring", "namespace Example.Keys"),
        ("Example.Keys > Ring > Ring", "// filler"),
        ("Example.Keys > Ring > Rotate", "/// <summary>Replace"),
    ],
    "ring.rb": [
        ("Keys > Ring", "# A ring"),
        ("Keys > Ring > initialize", "# filler"),
        ("Keys > Ring > rotate", "# Replace"),
        ("Keys > Ring > empty?", "def self.empty?"),
    ],
    "Ring.php": [("Ring", "/**"), ("Ring > __construct", "// filler"), ("Ring > rotate", "/** Replace")],
    "Ring.kt": [
        ("Ring", "/** A ring"),
        ("Ring > constructor", "// filler"),
        ("Ring > rotate", "/** Replace"),
        ("Ring > companion", "companion object {"),
    ],
    "Ring.swift": [
        ("Ring", "/// A ring"),
        ("Ring > init", "// filler"),
        ("Ring > rotate", "/// Replace"),
        ("Ring", "extension"),
    ],
    "Ring.scala": [
        ("Ring", "/** A ring"),
        ("Ring > rotate", "// filler"),
        ("Ring > drop", "def drop"),
        ("Ring", "object"),
    ],
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_class_is_cut_into_its_methods(name: str) -> None:
    source = (SNIPPETS / name).read_text()
    filler = next(line for line in source.split("\n") if line.endswith(" filler"))
    document = read(source.replace(filler, "\n".join([filler] * 40)), name)
    owner = "Key" if name == "keys.rs" else "Ring"
    found = [(path, line) for path, line in first_lines(document) if owner in path.split(" > ")]
    expected = LARGE[name]
    assert [path for path, _ in found] == [path for path, _ in expected]
    for (_, line), (_, beginning) in zip(found, expected, strict=True):
        assert line.startswith(beginning)


@pytest.mark.parametrize(
    ("source", "name", "title"),
    [
        ("//! Rotate keys\n//! of a store. Twice.\n//!\n//! More.\n", "a.rs", "Rotate keys of a store."),
        ("// Copyright.\n\n// Package keys rotates keys. More.\npackage keys\n", "a.go", "Package keys rotates keys."),
        ("// Copyright.\npackage keys\n", "a.go", ""),
        ("/**\n * @fileoverview Rotates\n * keys.\n * @author x\n */\n", "a.js", "Rotates keys."),
        ("/** @file keys.c */\n", "a.c", ""),
        ("/* Licensed to @file you and me. */\n", "a.c", ""),
    ],
)
def test_the_title_is_what_the_source_says_of_itself(source: str, name: str, title: str) -> None:
    assert read(source, name).title == title


def test_comments_belong_to_the_symbol_right_below() -> None:
    source = (
        "int a; // of a\n// of f\nint f() { return 1; }\n\n// of nothing\n\n// of g\nint g() { return 2; } // end\n"
    )
    document = read(source, "x.c")
    assert first_lines(document) == [
        ("", "int a; // of a"),
        ("f", "// of f"),
        ("module", "// of nothing"),
        ("g", "// of g"),
    ]


def test_offsets_are_characters_whatever_their_width() -> None:
    source = 'package a\r\n\r\n// 🔑é\tkey\r\nfunc 漢字(s string) string { return "𠮷 🔑" }\r\n\r\nvar 𠮷 = "🔑"\r\n'
    document = read(source, "a.go")
    assert [document.text[block.start : block.end] for block in document.blocks if block.kind == "code"] == [
        "package a",
        '// 🔑é\tkey\nfunc 漢字(s string) string { return "𠮷 🔑" }',
        'var 𠮷 = "🔑"',
    ]
    assert [block.title for block in document.blocks if block.kind == "heading"] == ["漢字", "module"]


def test_errors_are_counted_and_the_symbols_around_them_used() -> None:
    document = read("func A() {}\n\nfunc B( {\n\nfunc C() {}\n", "a.go")
    assert [(finding.kind, finding.detail) for finding in document.findings] == [("syntax-error", "line 3")]
    assert (1, "A") in paths(document)
    assert read("func A() {}\n", "a.go").findings == ()


def test_a_header_may_be_c_plus_plus() -> None:
    document = read("namespace keys {\nclass Ring {\n  int a;\n};\n}\n", "ring.h")
    assert (paths(document), document.findings) == ([(1, "keys > Ring")], ())


@pytest.mark.parametrize("suffix", [".r", ".R", ".sql"])
def test_a_language_without_a_grammar_is_cut_at_blank_lines(suffix: str) -> None:
    source = "f <- function(x) {\n  x\n\n  y\n\n}\n\ng <- 1\nh <- 2\n\n\ni <- 3\n"
    document = read(source, f"x{suffix}")
    assert paths(document) == [(1, ""), (8, ""), (12, "")]
    assert document.findings == ()


def test_without_the_extra_the_code_is_cut_at_blank_lines() -> None:
    program = (
        "import sys; sys.modules['tree_sitter'] = None\n"
        "from tercet.ingestion.parsers import parse\n"
        "d = parse(b'func A() {\\n\\n\\tb()\\n}\\n\\nfunc C() {}\\n', name='a.go')\n"
        "print([(b.kind, b.line) for b in d.blocks], d.findings)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[('code', 1), ('code', 6)] ()"


@pytest.mark.parametrize("name", ["x.js", "x.sql"])
def test_minified_source_has_no_blocks(name: str) -> None:
    document = read("/* licence */\n" + "var a=1;" * 1000 + "\n", name)
    assert document.blocks == ()
    assert [finding.kind for finding in document.findings] == ["minified"]
    longer = read("var a = 1;\n" * 2000 + "var data = '" + "x" * 6000 + "';\n", name)
    assert longer.blocks
    assert longer.findings == ()


@pytest.mark.parametrize(
    ("source", "name"), [("/*" * 50_000, "x.kt"), ("/*" * 50_000, "x.swift"), ("a b c d\n" * 20_000, "x.lua")]
)
def test_parsing_that_takes_too_much_work_is_given_up(source: str, name: str) -> None:
    document = parse(source.replace("**", "*\n*").replace("/*/*", "/*\n/*").encode(), name=name)
    check(document)
    assert [finding.kind for finding in document.findings] == ["unparsed"]


def test_a_source_too_large_for_a_tree_is_cut_at_blank_lines() -> None:
    document = read(("// " + "x" * 4000 + "\n\n") * 2600, "a.go")
    assert [finding.kind for finding in document.findings] == ["unparsed"]
    assert len(document.blocks) == 2600


@pytest.mark.parametrize("opening", ["{\n", "(\n", "[\n", "#if a\n", "namespace a {\n", "class A {\n", "module A\n"])
@pytest.mark.parametrize("language", GRAMMARS)
def test_deep_nesting_is_no_recursion(language: str, opening: str) -> None:
    read(opening * 3000, f"x{SOURCES[language].split()[0]}")


PIECES = st.lists(
    st.sampled_from(
        [
            *["class A {", "}", "{", "(", ")", "fn f() {", "func f() {", "def f(a):", "end", "module A", ";", ",", "="],
            *["namespace a {", "struct S {", "impl A for B {", "#if x", "#endif", "#[a]", "@a", "//", "/*", "*/", "#"],
            *["--", "--[[", "]]", '"', "'", "`", "<<A", "A", "a::b", "a.b", "->", "=>", "<", ">", "<?php", "?>", "0x"],
            *["export default", "const a = () =>", "type (", "template <", "enum E", "\\", "\n", "\n\n", "\t", "\f"],
            *["\u2028", "\x85", "é", "🔑", "function", "interface I {", "public", "extern", "let", "$", "%"],
        ]
    ),
    max_size=40,
).map(" ".join)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(text=st.one_of(PIECES, st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)))
@settings(max_examples=40)
def test_any_text_is_covered_by_ascending_blocks(suffix: str, text: str) -> None:
    read(text, f"x{suffix}")


@pytest.mark.parametrize("name", EXPECTED)
@given(data=st.data())
@settings(max_examples=25)
def test_damaged_source_is_covered_by_ascending_blocks(name: str, data: st.DataObject) -> None:
    source = (SNIPPETS / name).read_text()
    first = data.draw(st.integers(0, len(source)))
    last = data.draw(st.integers(first, len(source)))
    read(source[:first] + data.draw(PIECES) + source[last:], name)
