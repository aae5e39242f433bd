"""Addresses in an answer, however they are written, are shown and not loaded."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tercet.agents.links import addresses, disarm

ALLOWED = ["https://docs.acme.example/*", "https://*.wiki.example/*", "https://named.example/a?b=1"]
FOREIGN = [
    "![logo](https://evil.example/?d=81204)",
    "[log in](https://evil.example/login 'again')",
    "[log in][1]\n\n[1]: <https://evil.example/login>",
    "<https://evil.example/x>",
    "Go to https://evil.example/x.",
    "Go to www.evil.example/x",
    "HTTPS://EVIL.example/x",
    "<img src=//evil.example/x>",
    "<a href='https://evil.example/x'>here</a>",
    "<form action=https&#58;//evil.example><input></form>",
    "![x](https&#58;//evil.example/x)",
    "![x](&#104;ttps://evil.example/x)",
    "![x](https:\\/\\/evil.example/x)",
    "![x](//evil.example/x)",
    "![x](https:evil.example/x)",
    "[x](javascript:fetch(1))",
    "[x](data:text/html;base64,AAAA)",
    "[x](mailto:mallory@evil.example)",
    "https://docs.acme.example@evil.example/x",
    "https://docs.acme.example.evil.example/x",
    "https://docs.acme.examplé/x",
    "ftp://evil.example/x",
    "ht\u200btps://evil.example/x",
]


def loaded(text: str) -> list[str]:
    """What a window that renders Markdown and makes links of bare addresses loads or links to, away from itself."""
    html = MarkdownIt("commonmark", {"html": True}).render(text)
    tags = " ".join(re.findall(r"<[a-z][^>]*>", html, re.IGNORECASE))
    targets = [unescape(found) for found in re.findall(r"""(?:src|href|action)\s*=\s*["']?([^"'\s>]+)""", tags)]
    words = unescape(re.sub(r"<[^>]*>", " ", html))
    bare = re.findall(r"(?:https?|ftp)://\w\S*|\bwww\.\w\S*", words, re.IGNORECASE)
    return [one for one in (*targets, *bare) if re.match(r"(?!hxx)[a-z][a-z0-9+.-]*:|//|www", one, re.IGNORECASE)]


@pytest.mark.parametrize("text", FOREIGN)
def test_a_foreign_address_becomes_inert(text: str) -> None:
    assert addresses(text) or "\u200b" in text

    assert loaded(disarm(text, allowed=ALLOWED)) == []


@pytest.mark.parametrize(
    "text",
    [
        "See [the manual](https://docs.acme.example/keys?a=1#b), part *2*.",
        "https://team.wiki.example/page",
        "https://named.example/a?b=1",
        "A [place](/in/the/window) and a [mark](#here).",
        "a // b, C:/x, path//to and `x = y`",
        "1 < 2 & 3",
    ],
)
def test_what_is_allowed_or_no_address_stays_as_it_is(text: str) -> None:
    assert disarm(text, allowed=ALLOWED) == text


def test_the_rest_of_an_answer_stays_markdown() -> None:
    said = disarm("**Yes**, see https://docs.acme.example/a and https://evil.example/b.", allowed=ALLOWED)

    assert said == "**Yes**, see https://docs.acme.example/a and hxxps://evil.example/b."


@given(
    st.lists(
        st.sampled_from([*FOREIGN, *"[]()<>!*_`\\\n &#;:/\"'", "http", "s:", "//", "www.", "evil.example", "&#58;"]),
        max_size=12,
    )
)
def test_nothing_foreign_is_loaded_whatever_is_put_together(parts: list[str]) -> None:
    said = disarm("".join(parts), allowed=())

    assert addresses(said) == ()
    assert loaded(said) == []
