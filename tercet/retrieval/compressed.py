"""What compression takes and gives: passages in, excerpts of whole sentences out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tercet.records import Hit
    from tercet.retrieval.sentence_scores import ScoreParts
    from tercet.retrieval.units import UnitKind

Reason = Literal["budget", "near-duplicate", "low score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A retrieved text to compress."""

    id: str
    text: str
    score: float = 0.0
    """What retrieval gave it; only differences count."""
    title: str = ""
    """Title and headings: words that all its sentences are about."""
    label: str = ""
    """Written on a line of its own above what is kept of it, and counted; such as a citation."""
    source: str = ""
    """What it was cut from. Passages of one source are shown in the order of ``start``."""
    start: int = 0
    """Its offset in the source."""

    @classmethod
    def from_hit(cls, hit: Hit, *, label: str = "") -> Passage:
        """The passage of a hit, with the headings above it as its title."""
        citation = hit.citation
        return cls(
            id=hit.chunk_id,
            text=hit.text,
            score=hit.score,
            title=" ".join(dict.fromkeys((citation.title, *citation.heading_path))).strip(),
            label=label,
            source=f"{citation.corpus}/{citation.uri}",
            start=citation.start,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A unit of a passage, never a part of one: a sentence, a list item, a table row, a block of code or a heading."""

    passage_id: str
    start: int
    end: int
    """``passage.text[start:end] == text``."""
    text: str
    kind: UnitKind
    rank: int
    """1 is what enters first; a kept one has a better rank than any that was dropped for the budget."""
    score: ScoreParts
    header: tuple[int, int] | None = None
    """Rows of a table: where in the passage the header stands that is shown above them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedSentence:
    """A sentence that was left out, and why."""

    sentence: Sentence
    reason: Reason
    duplicate_of: Sentence | None = None
    """The one that says the same, where that is the reason; it may have been dropped for the budget itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What was kept of one passage."""

    passage_id: str
    text: str
    """Its label and its sentences, with " … " where something was left out."""
    sentences: tuple[Sentence, ...]
    """In the order of the passage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """The sentences kept, in the order of their sources, and those dropped, best first."""

    excerpts: tuple[Excerpt, ...]
    dropped: tuple[DroppedSentence, ...]
    tokens: int
    """Of ``text``, by ``counter``; at most ``budget``."""
    budget: int
    counter: str

    @property
    def text(self) -> str:
        """What goes into a prompt: the excerpts, a blank line between them."""
        return "\n\n".join(excerpt.text for excerpt in self.excerpts)

    @property
    def kept(self) -> tuple[Sentence, ...]:
        """All kept sentences, in the order in which they are shown."""
        return tuple(sentence for excerpt in self.excerpts for sentence in excerpt.sentences)
