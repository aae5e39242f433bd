"""What a docstring in Google style says of a function and its parameters."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from docstring_parser import DocstringStyle, ParseError, parse

from tercet.errors import ConfigurationError


class Described(NamedTuple):
    """A docstring, read."""

    text: str
    """Summary and long description."""
    parameters: dict[str, str]
    """By parameter, what ``Args:`` says of it, on one line."""


def read_docstring(text: str, *, function: str) -> Described:
    """Take a docstring apart.

    Args:
        text: As in the source, indentation included.
        function: Whose it is, for the error.

    Raises:
        ConfigurationError: A section of it cannot be read.

    Example:
        >>> read_docstring("Look a person up.\\n\\nArgs:\\n    name: Family name.", function="find").parameters
        {'name': 'Family name.'}
    """
    try:
        read = parse(inspect.cleandoc(text), style=DocstringStyle.GOOGLE)
    except ParseError as error:
        raise ConfigurationError(
            f"The docstring of tool {function!r} cannot be read: {error}.",
            remedy="Write it in Google style: a summary, and below 'Args:' one 'name: what it is' a parameter.",
        ) from error
    parts = [part.strip() for part in (read.short_description, read.long_description) if part and part.strip()]
    return Described(
        "\n\n".join(parts),
        {one.arg_name: " ".join((one.description or "").split()) for one in read.params},
    )
