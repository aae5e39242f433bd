"""What a response holds: its media type, the suffix that makes a parser take it, and text that says its encoding."""

from __future__ import annotations

import codecs
import re
from email.message import Message
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tercet.ingestion.parsers import format_of
from tercet.ingestion.web.failures import UnwantedError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.ingestion.web.urls import Url

_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/x-rst": ".rst",
    "text/prs.fallenstein.rst": ".rst",
    "text/x-python": ".py",
    "application/pdf": ".pdf",
}
_UNSAID = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,9}")
# As for files, codecs such as punycode are not character sets.
_CHARACTER_SETS = re.compile(
    r"(?:windows-|cp|ibm|iso|latin|shift|sjis|euc|gb|big5|koi8|mac|tis|us-ascii|utf-?(?:16|32))"
)


def media_type(headers: Mapping[str, str]) -> tuple[str, str]:
    """The media type and the charset that a response declares, in lower case; empty where it declares none.

    Example:
        >>> media_type({"content-type": 'Text/HTML; charset="ISO-8859-1"'})
        ('text/html', 'iso-8859-1')
    """
    declared = headers.get("content-type", "")[:500]
    kind = declared.partition(";")[0].strip().lower()
    message = Message()
    message["content-type"] = declared
    charset = message.get_param("charset", "")
    return kind, charset.strip().lower() if isinstance(charset, str) else ""


def suffix_of(url: Url, headers: Mapping[str, str]) -> str:
    """The suffix under which a page is stored.

    The declared type decides. Plain text, and what is declared as nothing in particular, keeps a suffix that a parser
    knows: many sites send Markdown as plain text.

    Raises:
        UnwantedError: It is of a kind that is not ingested.
    """
    kind, _ = media_type(headers)
    if kind in _SUFFIXES:
        suffix = _SUFFIXES[kind]
        own = PurePosixPath(url.path).suffix.lower()
        return own if own and format_of("x" + own) == format_of("x" + suffix) is not None else suffix
    own = PurePosixPath(url.path).suffix.lower()
    known = _SUFFIX.fullmatch(own) and (own == ".pdf" or format_of("x" + own) not in (None, "html"))
    if kind == "text/plain" and own != ".pdf":
        if re.fullmatch(r"llms[a-z-]*\.txt", PurePosixPath(url.path).name):
            return ".md"
        return own if known else ".txt"
    if kind in _UNSAID and known:
        return own
    raise UnwantedError(
        f"has content of type {shown(kind)}, which is not ingested"
        if kind
        else "does not say what type of content it has"
    )


def with_mark(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Store text in a charset that only the response knew as UTF-8, with a byte order mark that says so.

    Example:
        >>> with_mark(b"caf\\xe9", {"content-type": "text/plain; charset=latin-1"}).decode("utf-8-sig")
        'café'
    """
    kind, charset = media_type(headers)
    if not kind.startswith("text/") or not _CHARACTER_SETS.match(charset):
        return body
    if body.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body
    try:
        # Many a server declares latin-1 for whatever it sends. Text that is UTF-8 by accident is rare.
        body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if not charset.startswith(("iso-2022", "utf")):
            return body
    try:
        text = body.decode(charset, errors="replace")
    except LookupError:
        return body
    return codecs.BOM_UTF8 + text.encode("utf-8", "replace")
