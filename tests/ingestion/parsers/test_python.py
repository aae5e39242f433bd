from __future__ import annotations

from tercet.ingestion.parsers import parse
from tercet.records import ParsedDocument


def read(text: str) -> ParsedDocument:
    return parse(text.encode(), name="module.py")


def paths(document: ParsedDocument) -> list[tuple[tuple[str, ...], str]]:
    """Each block that is no heading, with the headings it stands under."""
    found, path = [], list[str]()
    for block in document.blocks:
        if block.kind == "heading":
            path[block.level - 1 :] = [block.title]
        else:
            found.append((tuple(path), document.text[block.start : block.end]))
    return found


def test_code_stands_under_the_symbols_that_it_defines() -> None:
    source = (
        '"""Rotate keys.\n\nLonger.\n"""\nimport os\n\n'
        "# about f\n@deco(\n    1)\ndef f():\n    return 1\n\nX = 2\n\n\nclass Small:\n    def m(self): ...\n"
    )
    document = read(source)
    assert document.title == "Rotate keys."
    assert document.text == source
    assert paths(document) == [
        ((), "Rotate keys."),
        ((), "Longer."),
        ((), "import os"),
        (("f",), "# about f\n@deco(\n    1)\ndef f():\n    return 1"),
        (("module",), "X = 2"),
        (("Small",), "class Small:\n    def m(self): ..."),
    ]


def test_a_large_class_is_cut_into_its_methods() -> None:
    filler = "\n".join(f"        x = {n}" for n in range(40))
    document = read(
        f"class Key:\n    a = 1\n\n    def rotate(self):\n{filler}\n"
        "\n    b = 2\n\n    async def drop(self):\n        pass\n"
    )
    assert [(path, code.split("\n")[0].strip()) for path, code in paths(document)] == [
        (("Key",), "class Key:"),
        (("Key", "rotate"), "def rotate(self):"),
        (("Key",), "b = 2"),
        (("Key", "drop"), "async def drop(self):"),
    ]


def test_headings_are_empty_so_that_no_code_is_lost() -> None:
    source = "import a\n\ndef f(): pass\nclass B:\n    pass\ny = 1\n"
    document = read(source)
    assert all(block.start == block.end for block in document.blocks if block.kind == "heading")
    kept = "\n".join(document.text[block.start : block.end] for block in document.blocks if block.kind != "heading")
    assert kept.split() == source.split()


def test_source_of_another_python_is_cut_at_blank_lines_and_reported() -> None:
    document = read('print "x"\n\ndef f():\n    pass\n')
    assert paths(document) == [((), 'print "x"'), ((), "def f():\n    pass")]
    assert document.findings[0].kind == "syntax-error"
    assert "line 1" in document.findings[0].detail


def test_the_declared_encoding_is_used() -> None:
    assert "é" in parse("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), name="m.py").text


def test_invalid_escapes_raise_no_warning() -> None:
    assert read("x = '\\d'\n").findings == ()
