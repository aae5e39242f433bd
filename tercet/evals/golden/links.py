"""Pseudo-queries from links: what one page calls another."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tercet.evals.golden.candidates import Candidate, enough, fits, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tercet.evals.golden.corpus import CorpusDocument

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\][\n]{3,120})\]\((?P<target>[^)\s]{1,400})(?:[ \t]+\"[^\"\n]*\")?\)")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")
_ADDRESS = re.compile(r"https?://|www\.|\S+/\S+\.\w{1,5}$")
_SUFFIXES = ("", ".md", ".mdx", ".rst", ".html", "/index.md", "/README.md", "/index.html")


def links(document: CorpusDocument, corpus: Mapping[str, CorpusDocument]) -> Iterator[Candidate]:
    """The words of Markdown links that lead to another document of the corpus."""
    if document.code:
        return
    for found in _LINK.finditer(document.text):
        path, _, fragment = found["target"].partition("#")
        if not path or _SCHEME.match(path):
            continue
        target = _resolve(document.uri, unquote(path), corpus)
        if target is None or target.uri == document.uri:
            continue
        query = plain(found["text"])
        named = next((section for section in target.sections if fragment and section.anchor == fragment), None)
        start, end = (named.start, named.end) if named and named.start < named.end else (0, 0)
        # Two words say little: a link is asked as often by those who know its target as by those who look for it.
        usable = fits(query, least=2) and not _ADDRESS.search(query) and enough(target.text)
        yield Candidate("link", query, target.uri, start, end, document.uri, *found.span("text"), usable)


def _resolve(uri: str, path: str, corpus: Mapping[str, CorpusDocument]) -> CorpusDocument | None:
    base = "" if path.startswith("/") else posixpath.dirname(uri)
    place = posixpath.normpath(posixpath.join(base, path.lstrip("/")))
    stem = place.removesuffix(".html")
    candidates = (name + suffix for name in dict.fromkeys((place, stem)) for suffix in _SUFFIXES)
    return next((corpus[name] for name in candidates if name in corpus), None)
