"""A page that is read a stretch at a time has the blocks that it has when it is read whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tercet.ingestion.parsers import markdown
from tercet.ingestion.parsers import parse as parse_file
from tercet.ingestion.parsers.anchors import SLUG_RULES, SlugRule
from tercet.records import ParsedDocument

PIECES = [
    "# Heading {n}\n",
    "Setext {n}\n======\n",
    "## Same heading\n",
    "Some words of a paragraph\nthat goes on {n}.\n",
    "words\n| not | a table |\n",
    "| a | b |\n|---|---|\n| {n} | x |\n",
    "```sh\n# no heading\n\nrun {n}\n```\n",
    "```\nan open fence {n}\n",
    "~~~~\nother\n```\n~~~~\n",
    "- item {n}\n\n  more of it\n- next\n",
    "1. one\n\n   ```\n   code\n   ```\n\n2. two\n",
    "    indented {n}\n\n    code\n",
    "> quoted {n}\nlazy\n\n> again\n",
    "> ::: note\n> in a quote\n",
    "::: note\nInside {n}.\n",
    ":::\n",
    "::::\n",
    "/// tip\n\nText.\n",
    "///\n",
    "::: package.module\n",
    "!!! note\n    Body {n}.\n\n    # heading inside\n",
    '=== "Tab {n}"\n\n    ## in a tab\n',
    "<!-- comment {n}\n\n# hidden\n\n-->\n",
    "<!-- never closed\n",
    "<div hidden>\n\nsecret {n}\n\n</div>\n",
    "<div>\n\nshown {n}\n",
    "<script>\n\nlet x\n",
    "</script>\n",
    "</div>\n",
    "<p style='display:none'>gone</p> here {n}\n",
    "[ref{n}]: /url 'a title\nover lines'\n",
    "[only]: /url\n",
    "[^1]: note\n    goes on\n",
    "***\n",
    "   \n",
    "\tx\n",
    "[!NOTE] {n}\n",
    "> [!TIP]\n> alert {n}\n",
]


def page(seed: int) -> str:
    choice = random.Random(seed)
    few = choice.sample(PIECES, choice.randrange(3, len(PIECES)))
    front = "---\ntitle: Made\n---\n" if seed % 5 == 0 else ""
    return front + "".join(
        choice.choice(few).format(n=n) + choice.choice(["", "\n", "\n", "\n\n"]) for n in range(choice.randrange(1, 90))
    )


def parsed(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> ParsedDocument:
    monkeypatch.setattr(markdown, "SEGMENT", size)
    return markdown.parse(text)


def test_made_pages_in_stretches_of_any_size(monkeypatch):
    cut = 0
    for seed in range(120):
        text = page(seed)
        whole = parsed(text, 1 << 30, monkeypatch)
        for size in (1, 40, 150, 700):
            assert parsed(text, size, monkeypatch) == whole, (seed, size)
        cut += len(text) > 700
    assert cut > 30


@pytest.mark.parametrize("rule", sorted(SLUG_RULES))
def test_anchors_are_counted_through_all_stretches(rule: SlugRule, monkeypatch):
    kinds = ("## Set up\n", "## Set up_{n}\n", "(label-{n})=\n\n## Keys\n", "## Bar {{#set-up_{n}}}\n", "## Set up!\n")
    text = "\n".join(f"{kinds[n % 5].format(n=n)}\nWords {n}.\n" for n in range(60))
    monkeypatch.setattr(markdown, "SEGMENT", 1 << 30)
    whole = markdown.parse(text, slugs=rule)
    for size in (1, 30, 200):
        monkeypatch.setattr(markdown, "SEGMENT", size)
        assert markdown.parse(text, slugs=rule) == whole, size
    anchors = [block.anchor for block in whole.blocks if block.kind == "heading" and block.title == "Set up"]
    assert len(set(anchors)) == len(anchors) == 12


@pytest.mark.slow
def test_real_pages_in_stretches(data_dir: Path, monkeypatch):
    pages = sorted((data_dir / "docs_corpora").rglob("*.md"))[:150]
    assert pages
    for path in pages:
        monkeypatch.setattr(markdown, "SEGMENT", 1 << 30)
        whole = parse_file(path.read_bytes(), name=path.name)
        for size in (500, 5_000):
            monkeypatch.setattr(markdown, "SEGMENT", size)
            assert parse_file(path.read_bytes(), name=path.name) == whole, (path, size)


def test_only_a_stretch_of_tokens_is_held(monkeypatch):
    text = "".join(f"## Part {n}\n\nSome words, and some more of them.\n\n" for n in range(500))
    monkeypatch.setattr(markdown, "SEGMENT", 2_000)
    stretches = [len(tokens) for tokens in markdown._tokens(markdown._Lines(text), 0, True)]
    assert len(stretches) > 10
    assert max(stretches) < sum(stretches) / 5
    assert parsed(text, 2_000, monkeypatch) == parsed(text, 1 << 30, monkeypatch)


def test_many_containers_without_an_end_are_no_reason_to_read_on(monkeypatch):
    text = "".join(f"::: package.module{n}\n\nWords about it.\n\n" for n in range(500))
    monkeypatch.setattr(markdown, "SEGMENT", 2_000)
    assert len(list(markdown._tokens(markdown._Lines(text), 0, True))) > 5
