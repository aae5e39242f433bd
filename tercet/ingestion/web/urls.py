"""URLs in one spelling: what is compared, requested and stored is the same string."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import idna

from tercet.ingestion.web.failures import PageError, shown

MAX_LENGTH = 2_048
"""Longest URL, as in the sitemap protocol."""

PATH_CHARACTERS = "/:@!$&'()*+,;="
"""What stands for itself in a path, beside letters, digits and ``-._~`` (RFC 3986, section 3.3)."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


class Url(NamedTuple):
    """An absolute http or https URL in normal form, without a fragment."""

    scheme: str
    host: str
    """ASCII; IPv6 without brackets."""
    port: int
    path: str
    query: str = ""

    @property
    def authority(self) -> str:
        """Host and port as in a URL or ``Host`` header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what shares a ``robots.txt``."""
        return f"{self.scheme}://{self.authority}"

    @property
    def target(self) -> str:
        """Path and query: what is asked of the server."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        return self.origin + self.target


def parse_url(text: str, base: Url | None = None) -> Url:
    """Read a URL into normal form.

    Host names become lower-case ASCII (IDNA 2008, UTS 46), escapes of unreserved characters are undone, others are
    written in upper case, dot segments are resolved, default ports and fragments are dropped.

    Args:
        text: A URL, or a reference relative to ``base``.
        base: The page that the reference stands on.

    Raises:
        PageError: It is not http or https, carries a user name or password, is too long or is malformed.

    Example:
        >>> str(parse_url("../%7Eann/k%c3%a9y s#top", parse_url("HTTPS://Docs.Example.com:443/guide/a/")))
        'https://docs.example.com/guide/~ann/k%C3%A9y%20s'
    """
    text = text.strip(" \t\r\n\f")
    if len(text) > MAX_LENGTH:
        raise PageError(f"is longer than {MAX_LENGTH:,} characters")
    if _UNFIT.search(text):
        raise PageError("has control characters or a backslash in its URL")
    try:
        parts = urlsplit(urljoin(str(base), text) if base else text)
        host, port = parts.hostname or "", parts.port
        if parts.scheme not in _DEFAULT_PORTS or not host:
            raise PageError("is no http or https URL")
        if "@" in parts.netloc:
            raise PageError("carries a user name or password in its URL")
        if port == 0:
            raise PageError("has port 0 in its URL")
        url = Url(
            parts.scheme,
            _host(host),
            port or _DEFAULT_PORTS[parts.scheme],
            _without_dots(normal_escapes(parts.path, PATH_CHARACTERS)),
            normal_escapes(parts.query, PATH_CHARACTERS + "?"),
        )
    except (ValueError, UnicodeError) as error:
        raise PageError(f"is no valid URL: {shown(str(error))}") from None
    if len(str(url)) > MAX_LENGTH:
        raise PageError(f"is longer than {MAX_LENGTH:,} characters")
    return url


def normal_escapes(text: str, safe: str) -> str:
    """Percent-encode what must be, in upper case, and nothing else; a stray ``%`` is encoded too.

    Example:
        >>> normal_escapes("100%/%7e%2f", safe="/")
        '100%25/~%2F'
    """

    def spell(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%25"
        character = chr(int(match[1], 16))
        return character if _UNRESERVED.fullmatch(character) else match[0].upper()

    return _PERCENT.sub(spell, quote(text, safe=safe + "%"))


def _host(name: str) -> str:
    if ":" in name:
        if "%" in name:
            raise ValueError("a zone in an address")
        return ipaddress.IPv6Address(name).compressed
    name = name.removesuffix(".")
    if not name.isascii():
        if len(name) > 253:
            raise ValueError("the host name is too long")
        name = idna.encode(name, uts46=True).decode("ascii")
    if not _HOST.fullmatch(name):
        raise ValueError("malformed host name")
    # Resolvers read 0x7f.1 and 2130706433 as 127.0.0.1; nobody else does.
    return str(ipaddress.IPv4Address(name)) if _NUMBER.fullmatch(name) else name


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
