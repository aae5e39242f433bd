"""What a search found, as sources that a model may cite sentence by sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.models.chat_records import SourcePart
from tercet.models.quotation import sentences_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.records import Hit
    from tercet.retrieval.episodic_records import EpisodicHit

MAX_CHARACTERS = 20_000
"""The most that one call of a tool of memory gives."""


def document_source(hit: Hit) -> SourcePart | None:
    """A chunk, by its id; None where it is blank."""
    citation = hit.citation
    title = " > ".join(citation.heading_path) or citation.title or citation.uri
    return _source(hit.chunk_id, source=str(citation), title=title, text=hit.text)


def episode_source(hit: EpisodicHit) -> SourcePart | None:
    """A record of what happened, by its id; None where it is blank."""
    episode = hit.episode
    title = f"{episode.kind} by {episode.actor}, {hit.when}"
    return _source(episode.id, source=f"episode {episode.id}", title=title, text=episode.dated_text)


def within(sources: Sequence[SourcePart], limit: int) -> tuple[list[SourcePart], bool]:
    """The sources, and of the last one the pieces, that have at most so many characters; whether any was left out."""
    kept: list[SourcePart] = []
    left = limit
    for source in sources:
        pieces: list[str] = []
        for piece in source.pieces:
            if len(piece) > left:
                break
            pieces.append(piece)
            left -= len(piece)
        if pieces:
            kept.append(replace(source, pieces=tuple(pieces)))
        if len(pieces) < len(source.pieces):
            return kept, True
    return kept, False


def _source(key: str, *, source: str, title: str, text: str) -> SourcePart | None:
    pieces = tuple(sentence for _, sentence in sentences_of(text) if sentence.strip())
    return SourcePart(id=key, source=source, title=title, pieces=pieces) if pieces else None
