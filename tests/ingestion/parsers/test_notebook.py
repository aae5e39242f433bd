"""Jupyter notebooks: cells, outputs, and what is no notebook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ParseError
from tercet.ingestion.parsers import parse
from tercet.records import ParsedDocument
from tercet.settings import ParsingConfig


def notebook(*cells: Any, **more: Any) -> bytes:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **more}).encode()


def cell(kind: str, source: Any, **more: Any) -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {}, "source": source, **more}


def read(data: bytes, *, outputs: bool = False) -> ParsedDocument:
    return parse(data, name="x.ipynb", config=ParsingConfig(notebook_outputs=outputs))


def kinds(document: ParsedDocument) -> list[tuple[str, str, int]]:
    return [(block.kind, document.text[block.start : block.end], block.line) for block in document.blocks]


def test_cells_become_blocks_that_know_their_cell() -> None:
    document = read(
        notebook(
            cell("markdown", ["# Keys\n", "\n", "Rotate them."]),
            cell("code", "rotate(key)\n"),
            cell("raw", r"\latex"),
            cell("markdown", "## More keys"),
            metadata={"language_info": {"name": "julia"}},
        )
    )
    assert kinds(document) == [
        ("heading", "# Keys", 1),
        ("paragraph", "Rotate them.", 1),
        ("code", "```julia\nrotate(key)\n```", 2),
        ("heading", "## More keys", 4),
    ]
    assert [block.anchor for block in document.blocks if block.kind == "heading"] == ["Keys", "More-keys"]
    assert (document.title, document.metadata, document.verbatim) == ("Keys", {"language": "julia"}, False)


def test_an_open_fence_ends_with_its_cell() -> None:
    document = read(notebook(cell("markdown", "```\nopen"), cell("markdown", "# Next")))
    assert [block.kind for block in document.blocks] == ["code", "heading"]


def test_code_that_holds_fences_stays_code() -> None:
    document = read(notebook(cell("code", 'text = """\n```\n# no heading\n```\n"""')))
    assert [block.kind for block in document.blocks] == ["code"]


OUTPUTS = [
    {"output_type": "stream", "name": "stdout", "text": ["epoch 1\n", "epoch 2\n"]},
    {"output_type": "execute_result", "data": {"text/plain": "42", "image/png": "aGk="}, "metadata": {}},
    {
        "output_type": "display_data",
        "data": {
            "text/html": "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
            "text/plain": "?",
        },
    },
    {"output_type": "error", "ename": "KeyError", "evalue": "'k'", "traceback": ["\x1b[31mlong\x1b[0m"]},
]


def test_outputs_are_left_out_unless_asked_for() -> None:
    data = notebook(cell("code", "run()", outputs=OUTPUTS))
    assert read(data).text == "```\nrun()\n```"
    assert kinds(read(data, outputs=True))[1:] == [
        ("code", "```\nepoch 1\nepoch 2\n```", 1),
        ("code", "```\n42\n```", 1),
        ("table", "a | b\n--- | ---\n1 | 2", 1),
        ("code", "```\nKeyError: 'k'\n```", 1),
    ]


def test_format_3_has_worksheets_and_heading_cells() -> None:
    sheet = {"cells": [cell("heading", "Keys", level=2), {"cell_type": "code", "input": "x", "language": "python"}]}
    document = read(json.dumps({"nbformat": 3, "worksheets": [sheet, {}, None]}).encode())
    assert [text for _, text, _ in kinds(document)] == ["## Keys", "```python\nx\n```"]


def test_cells_of_the_wrong_shape_are_counted_and_the_rest_is_read() -> None:
    document = read(notebook(None, cell("markdown", 7), cell("dance", "x"), cell("markdown", "Fine."), {"source": "y"}))
    assert document.text == "Fine."
    assert [(finding.kind, finding.count) for finding in document.findings] == [("invalid-cell", 4)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"# Keys", "no JSON"), (b"[]", "no notebook"), (b'{"a": 1}', "no notebook"), (b'{"cells": 3}', "no notebook")],
)
def test_what_is_no_notebook_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=rf"x\.ipynb: .*{reason}") as caught:
        read(data)
    assert caught.value.remedy


def test_json_nested_too_deeply_is_a_typed_error() -> None:
    with pytest.raises(ParseError, match="nested too deeply"):
        read(b"[" * 200_000)


def test_hidden_characters_from_json_escapes_are_removed() -> None:
    document = read(notebook(cell("markdown", "a\u202eb"), cell("code", "x\u200b = 1")))
    assert document.text == "ab\n\n```\nx = 1\n```"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["markdown", "code", "raw", "?"]), st.text(alphabet="#`~|<>- \nab\u200b", max_size=30)
        ),
        max_size=6,
    )
)
def test_blocks_ascend_and_lie_inside_the_text(cells: list[tuple[str, str]]) -> None:
    document = read(notebook(*(cell(kind, text) for kind, text in cells)), outputs=True)
    position = 0
    for block in document.blocks:
        assert position <= block.start <= block.end <= len(document.text)
        assert 1 <= block.line <= len(cells)
        if block.kind in ("code", "table"):
            assert block.start <= block.lead_end <= block.end
        position = block.end


def test_every_notebook_of_the_data_parses_or_says_why(data_dir: Path) -> None:
    paths = sorted((data_dir / "ingestion").rglob("*.ipynb"))
    assert len(paths) > 15
    refused = []
    for path in paths:
        try:
            read(path.read_bytes(), outputs=True)
        except ParseError:
            refused.append(path.name)
    assert refused == ["test3_no_worksheets.ipynb"]
