"""What may be searched for."""

from __future__ import annotations

from tercet.errors import InputError
from tercet.sanitize import sanitize

MAX_QUERY_CHARACTERS = 32_000
"""Longer queries are refused: they are documents, and each of their words would be looked up."""


def checked_query(query: str, limit: int) -> str:
    """The query without hidden characters; raises ``InputError`` for what cannot be searched."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InputError(
            f"limit must be a whole number of at least 1, got {limit!r}.", remedy="Ask for 10, for example."
        )
    if not isinstance(query, str):
        raise InputError(f"a query must be text, got {type(query).__name__}.", remedy="Pass a string.")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise InputError(
            f"the query has {len(query):,} characters, more than {MAX_QUERY_CHARACTERS:,}.",
            remedy="Search for the question or the passage that matters, not for a whole document.",
        )
    text = sanitize(query)[0].strip()
    if not text:
        raise InputError("the query is empty.", remedy="Give at least one word to search for.")
    return text
