"""Where a page is stored: one file for each URL, on every file system.

A URL that is a fit path keeps its spelling. What is not fit, such as upper case (which some file systems fold), names
that Windows reserves, or a query, is cleaned and gets a hash behind a ``~``, which no fit name has.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import TYPE_CHECKING

from tercet.ingestion.sources import SKIPPED_FOLDERS

if TYPE_CHECKING:
    from tercet.ingestion.web.urls import Url

_FIT = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,78}[a-z0-9_-])?")
_UNFIT = re.compile(r"[^a-z0-9_-]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$)(?:\..*)?")
_SUFFIXED = re.compile(r".*\.[a-z][a-z0-9]{0,9}")
_MAX_LENGTH = 180


def page_path(url: Url, suffix: str) -> str:
    """The file of a page, below the folder, with ``/`` between segments. Different URLs have different files.

    Args:
        url: The page.
        suffix: Of the file, such as ``.html``. A page whose name ends in it already keeps its name.

    Example:
        >>> from tercet.ingestion.web.urls import parse_url
        >>> page_path(parse_url("https://docs.example.com/guide/"), ".html")
        'docs.example.com/guide/index.html'
        >>> page_path(parse_url("https://docs.example.com/v1.2/keys"), ".html")
        'docs.example.com/v1.2/keys~.html'
        >>> page_path(parse_url("https://docs.example.com/Keys?lang=en"), ".html")
        'docs.example.com/keys~90f87b5b7aef9738.html'
    """
    *folders, name = url.path[1:].split("/")
    top = _host_folder(url)
    path = "/".join([top, *map(_folder, folders), _file(name, url.query, suffix)])
    if len(path) <= _MAX_LENGTH:
        return path
    return f"{top[:80]}/~/{_cleaned(name)}~{_hash(str(url), 16)}{suffix}"


def _host_folder(url: Url) -> str:
    """Named for the host alone where that is what a reader would expect: https at its own port."""
    name = url.host
    if ":" in name:
        name = "ipv6~" + ipaddress.IPv6Address(name).exploded.replace(":", "-")
    port = "" if url.port == (443 if url.scheme == "https" else 80) else str(url.port)
    marks = [mark for mark in ("" if url.scheme == "https" else url.scheme, port) if mark]
    if len(name) > 80:
        marks.insert(0, _hash(name, 8))
        name = name[:60].rstrip(".")
    elif _RESERVED.fullmatch(name):
        marks.insert(0, "host")
    return "~".join([name, *marks])


def _folder(segment: str) -> str:
    # A folder must never have the name of a file, and all files end in a suffix.
    fit = _fit(segment) and segment not in SKIPPED_FOLDERS and not _SUFFIXED.fullmatch(segment)
    return segment if fit else f"{_cleaned(segment)}~{_hash(segment, 8)}"


def _file(name: str, query: str, suffix: str) -> str:
    if not name and not query:
        return f"index{suffix}"
    if query or not _fit(name) or name == f"index{suffix}":
        stem = name.lower().removesuffix(suffix)
        return f"{_cleaned(stem) or 'index'}~{_hash(f'{name}?{query}' if query else name, 8)}{suffix}"
    return name if name.endswith(suffix) and name != suffix else f"{name}~{suffix}"


def _fit(segment: str) -> bool:
    return bool(_FIT.fullmatch(segment)) and not _RESERVED.fullmatch(segment)


def _cleaned(segment: str) -> str:
    return _UNFIT.sub("-", segment.lower())[:40].strip("-")


def _hash(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
