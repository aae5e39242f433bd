"""What a model may cite in a run, and what its citations lead back to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tercet.agents.ends import Quote
from tercet.models.chat_records import SourcePart
from tercet.models.quotation import sentences_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tercet.records import Citation, Provenance
    from tercet.retrieval.context_records import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text as a model was given it, and where it comes from."""

    part: SourcePart
    """Its id is a number, unique in the run."""
    id: str
    """Of the chunk, episode or working document, or what the tool calls it."""
    provenance: Provenance | None = None
    citation: Citation | None = None
    starts: tuple[int, ...] = ()
    """Where each piece stands in the source's stored text; empty: unknown."""

    def renamed(self, number: str) -> Source:
        """The same source under another number."""
        return replace(self, part=replace(self.part, id=number))

    def quote(self, start_piece: int = 0, end_piece: int | None = None, text: str | None = None) -> Quote:
        """Its pieces ``[start_piece:end_piece]`` as a quote; without any: the whole source."""
        pieces = self.part.pieces[start_piece:end_piece]
        citation = self.citation
        if citation is not None and self.starts:
            begins = self.starts[start_piece:end_piece]
            citation = replace(citation, start=begins[0], end=begins[-1] + len(pieces[-1]))
        return Quote(
            source_id=self.part.id,
            id=self.id,
            text=" ".join(pieces) if text is None else text,
            source=str(citation) if citation else self.part.source,
            provenance=self.provenance,
            citation=citation,
        )


def sources_of(context: Context) -> Iterator[Source]:
    """The items of a context, sentence by sentence, so that a citation names the sentence. Blank items are left out."""
    for item in context.items:
        sentences = [
            (begin + offset, sentence)
            for (begin, _), piece in zip(item.spans, item.pieces, strict=True)
            for offset, sentence in sentences_of(piece)
        ]
        if sentences:
            yield Source(
                part=SourcePart(
                    id=str(item.number),
                    source=f"{item.provenance.store}:{item.provenance.source}",
                    title=item.label,
                    pieces=tuple(sentence for _, sentence in sentences),
                ),
                id=item.id,
                provenance=item.provenance,
                citation=item.citation,
                starts=tuple(start for start, _ in sentences),
            )


def numbered(
    parts: Sequence[SourcePart], *, after: int, citations: Mapping[str, Citation] | None = None
) -> list[Source]:
    """Sources that a tool or the caller gave, with numbers of this run behind ``after``.

    Args:
        parts: As they were given, with ids of their own.
        after: How many there are already.
        citations: Of those that are documents, by these ids.
    """
    known = citations or {}
    return [
        Source(part=replace(part, id=str(after + place)), id=part.id, citation=known.get(part.id))
        for place, part in enumerate(parts, start=1)
    ]
