"""Anchors are those of the program that publishes the page; each list was taken from what the program made."""

from __future__ import annotations

import pytest

from tercet.ingestion.parsers import markdown
from tercet.ingestion.parsers.anchors import Anchors, SlugRule

PYTHON_MARKDOWN = {
    "Welcome": "welcome",
    "Set up!": "set-up",
    "Set up": "set-up_1",
    "Bar {#foo}": "foo",
    "Foo": "foo_1",
    "Ünïcode Straße & more": "unicode-strae-more",
    "The `run_sync()` method": "the-run_sync-method",
    "日本語": "_1",
    "Keys { #keys .cls }": "keys",
    "<b>Bold</b> _it_": "bold-it",
    "2. Numbers_1": "2-numbers_1",
    "Numbers": "numbers",
    "C++ / C#": "c-c",
}
GITHUB_SLUGGER = {
    "Set up!": "set-up",
    "Set up": "set-up-1",
    "Set up-1": "set-up-1-1",
    "Ünïcode Straße & more": "ünïcode-straße--more",
    "The run_sync() method": "the-run_sync-method",
    "नमस्ते दुनिया": "नमस्ते-दुनिया",
    "A -- b": "a----b",
    "C++ / C#": "c--c",
    "😄 emoji": "-emoji",
    "Привет, мир": "привет-мир",
}


def test_python_markdown() -> None:
    page = "".join(f"## {title}\n\n" for title in PYTHON_MARKDOWN)
    blocks = markdown.parse(page, slugs="python-markdown").blocks
    assert [block.anchor for block in blocks] == list(PYTHON_MARKDOWN.values())


def test_python_markdown_gives_an_explicit_id_to_no_heading_before_it() -> None:
    blocks = markdown.parse("## Foo\n\n## Bar {#foo}\n", slugs="python-markdown").blocks
    assert [block.anchor for block in blocks] == ["foo_1", "foo"]


def test_github_slugger() -> None:
    anchors = Anchors("docusaurus")
    assert [anchors.of(title) for title in GITHUB_SLUGGER] == list(GITHUB_SLUGGER.values())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("pymdownx", ["ünïcode-straße--more", "c--c", "c--c_1"]),
        ("pymdownx-cased", ["Ünïcode-Straße--more", "C--C", "C--C_1"]),
        ("python-markdown-unicode", ["ünïcode-straße-more", "c-c", "c-c_1"]),
        ("mdbook", ["ünïcode-straße--more", "c--c", "c--c-1"]),
        ("docutils", ["unicode-strasze-more", "c-c", "id1"]),
    ],
)
def test_other_rules(rule: SlugRule, expected: list[str]) -> None:
    anchors = Anchors(rule)
    assert [anchors.of(title) for title in ("Ünïcode Straße & more", "C++ / C#", "C++ / C#")] == expected


def test_ten_thousand_equal_titles_take_linear_time() -> None:
    for rule in ("python-markdown", "docusaurus", "docutils"):
        anchors = Anchors(rule)
        assert len({anchors.of("Same") for _ in range(20_000)}) == 20_000
