"""Lists of pages: sitemaps (XML, plain text, compressed), llms.txt, and the links of a page.

Told apart by what they hold. XML is read without a tree, without entities and without looking anything up; a document
type, which no sitemap needs, ends it.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lxml import etree

from tercet.ingestion.web.contents import media_type
from tercet.ingestion.web.failures import PageError
from tercet.ingestion.web.inflating import MAGIC, gunzip

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.ingestion.web.urls import Url

_XML = re.compile(rb"<(?:\?xml|(?:[\w.-]+:)?(?:urlset|sitemapindex)\b)")
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset({"text/plain", "text/markdown", "text/x-markdown", "application/octet-stream", ""})
_ABSOLUTE = re.compile(r"https?://\S+", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(r"\[[^\[\]]{0,500}\]\(\s*<?([^()\s<>]{1,2048}(?:\([^()\s<>]{0,200}\)[^()\s<>]{0,200})?)")
_LINK_ITEM = re.compile(r"\s*[-*+]\s+\[[^\[\]]{1,500}\]\([^\s]{1,2048}\)\s*(?::.*)?")
_MAX_LINKS = 100_000
_MAX_URLS = 50_000
_TOO_MANY = f"lists more than {_MAX_URLS:,} URLs, the most that a sitemap may have"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The URLs that a list names, as they are written there."""

    kind: Literal["sitemap", "index", "links"]
    """An ``index`` names other sitemaps; ``links`` are those of an llms.txt."""
    urls: tuple[str, ...]


def read_listing(url: Url, headers: Mapping[str, str], body: bytes, *, limit: int) -> Listing | None:
    """Find out whether a response is a list of pages, and read it.

    Args:
        url: Where it was found.
        headers: Of the response.
        body: Of the response; gzip files are unpacked.
        limit: Bytes that an unpacked file may have.

    Returns:
        The list, or None for a page.

    Raises:
        PageError: It is a damaged, hostile or oversized sitemap.
    """
    kind, _ = media_type(headers)
    if body.startswith(MAGIC):
        body = b"".join(gunzip([body], limit=limit))
        if len(body) > limit:
            raise PageError(f"unpacks to more than {limit / 1e6:g} MB, the limit for a sitemap")
    elif kind.endswith("/pdf"):
        return None
    if _XML.match(body[:4096].removeprefix(codecs.BOM_UTF8).lstrip()) or kind in ("application/xml", "text/xml"):
        return _sitemap(body, is_page=kind in _HTML)
    if kind not in _TEXT and not kind.endswith(("/gzip", "/x-gzip")):
        return None
    text = body.decode("utf-8-sig", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and all(map(_ABSOLUTE.fullmatch, lines)):
        if len(lines) > _MAX_URLS:
            raise PageError(_TOO_MANY)
        return Listing(kind="sitemap", urls=tuple(lines))
    name = url.path.rpartition("/")[2]
    if name == "llms.txt" or (name.endswith(".txt") and _is_link_list(lines)):
        return Listing(kind="links", urls=markdown_links(text))
    return None


def markdown_links(text: str) -> tuple[str, ...]:
    """The targets of inline links.

    Example:
        >>> markdown_links("- [Keys](/keys.md): how to rotate them")
        ('/keys.md',)
    """
    return tuple(match[1] for match in _MARKDOWN_LINK.finditer(text))[:_MAX_LINKS]


def html_links(body: bytes) -> tuple[str, tuple[str, ...]]:
    """The ``<base>`` of a page, empty if it has none, and the targets of its links.

    Example:
        >>> html_links(b'<base href="/v2/"><p><a href="keys.html">Keys</a>')
        ('/v2/', ('keys.html',))
    """
    try:
        body.decode("utf-8")
        encoding = "utf-8"
    except UnicodeDecodeError:
        encoding = None
    target = _LinkTarget()
    parser = etree.HTMLParser(target=target, encoding=encoding, no_network=True, huge_tree=False)  # type: ignore[arg-type]  # as below
    with suppress(etree.LxmlError, ValueError):  # what was read up to the damage counts
        etree.fromstring(body, parser)
    return target.base, tuple(target.links)


def _is_link_list(lines: list[str]) -> bool:
    """Whether Markdown has the form that llmstxt.org gives: a title, and sections that are lists of links alone."""
    if not lines or not lines[0].startswith("# "):
        return False
    sections = links = 0
    for line in lines[1:]:
        if line.startswith("## "):
            sections += 1
        elif line.startswith("#"):
            return False
        elif sections:
            if not _LINK_ITEM.fullmatch(line):
                return False
            links += 1
    return links > 0


def _sitemap(body: bytes, *, is_page: bool) -> Listing | None:
    target = _SitemapTarget()
    parser = etree.XMLParser(
        target=target,  # type: ignore[arg-type]  # the stub asks for methods that lxml does not
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )
    try:
        etree.fromstring(body, parser)
    except (etree.LxmlError, ValueError, LookupError):
        if is_page:
            return None
        raise PageError("is no well-formed XML") from None
    except PageError:
        if is_page:  # XHTML has a document type
            return None
        raise
    if target.root not in ("urlset", "sitemapindex"):
        if is_page:
            return None
        raise PageError("is XML, but no sitemap")
    return Listing(kind="sitemap" if target.root == "urlset" else "index", urls=tuple(target.urls))


class _SitemapTarget:
    """Takes ``loc`` of each ``url`` or ``sitemap``, in the name space of the root; images and videos have others."""

    def __init__(self) -> None:
        self.root = ""
        self.urls: list[str] = []
        self._space = ""
        self._path: list[str] = []
        self._text: list[str] | None = None

    def start(self, tag: str, _: Mapping[str, str]) -> None:
        space, _brace, name = tag.rpartition("}")
        if not self._path:
            self.root, self._space = name, space
        self._path.append(name if space == self._space else "")
        if self._path[1:] in (["url", "loc"], ["sitemap", "loc"]):
            self._text = []

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, _: str) -> None:
        self._path.pop()
        if self._text is not None and len(self._path) == 2:
            if len(self.urls) >= _MAX_URLS:
                raise PageError(_TOO_MANY)
            self.urls.append("".join(self._text).strip())
            self._text = None

    def doctype(self, *_: str | None) -> None:
        raise PageError("has a document type, which no sitemap needs and which could hold hostile entities")

    def close(self) -> None:
        pass


class _LinkTarget:
    def __init__(self) -> None:
        self.base = ""
        self.links: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        address = attributes.get("href")
        if not address:
            return
        if tag == "a" and len(self.links) < _MAX_LINKS:
            self.links.append(address)
        elif tag == "base" and not self.base:
            self.base = address

    def close(self) -> None:
        pass
