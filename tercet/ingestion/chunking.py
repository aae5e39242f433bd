"""Documents cut into chunks along their structure, each within the embedder's reach.

Blocks under one heading path are packed up to the token cap; a block that is too large is cut by sentence, item, row
or line, and what follows its first piece repeats the table header or opening fence as a lead that is embedded but not
cited. ``document.text[chunk.start:chunk.end] == chunk.text`` holds for every chunk.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from tercet.errors import ConfigurationError
from tercet.ingestion.boundaries import BLOCK, INTRODUCED
from tercet.ingestion.packing import pack
from tercet.ingestion.prefixes import repeated_lead, shortened
from tercet.ingestion.sections import Section, sections
from tercet.ingestion.splitting import Atom, finer, split
from tercet.ingestion.token_costs import TokenCosts
from tercet.records import Chunk, embedded_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tercet.models.tokens import TokenCounter
    from tercet.records import Block, Document, ParsedDocument
    from tercet.settings import ChunkingConfig


class Chunker(Protocol):
    """Cuts parsed documents into chunks."""

    @property
    def version(self) -> str:
        """Changes whenever the same document could be cut differently; part of what decides on re-ingestion."""
        ...

    def chunk(self, document: ParsedDocument, *, uri: str) -> list[Chunk]:
        """The chunks of a document, ascending and not overlapping."""
        ...


class StructuralChunker:
    """Cuts along headings and blocks, to at most ``config.max_tokens`` of embedded text, special tokens included.

    Time is linear in the text. Equal input gives equal chunks; a paragraph inserted in one section leaves the chunks of
    all others as they were, ids included.

    Args:
        config: The token cap.
        counter: The embedder's own; exact counts make the cap exact.

    Example:
        >>> from tercet.models.tokens import token_counter
        >>> from tercet.records import Block, ParsedDocument
        >>> from tercet.settings import ChunkingConfig
        >>> text = "# Keys\\n\\nRotate them monthly."
        >>> heading = Block(kind="heading", start=0, end=6, level=1, title="Keys", anchor="keys")
        >>> parsed = ParsedDocument(text=text, blocks=(heading, Block(kind="paragraph", start=8, end=len(text))))
        >>> [chunk] = StructuralChunker(ChunkingConfig(), token_counter(None)).chunk(parsed, uri="guide.md")
        >>> chunk.heading_path, chunk.text, chunk.anchor, chunk.line_start
        (('Keys',), 'Rotate them monthly.', 'keys', 3)
    """

    def __init__(self, config: ChunkingConfig, counter: TokenCounter) -> None:
        self._counter = counter
        self._max_tokens = config.max_tokens

    @property
    def version(self) -> str:
        """Names the rules, the cap and the counter."""
        return f"structural-1 max_tokens={self._max_tokens} counter={self._counter.name}"

    def chunk(self, document: ParsedDocument, *, uri: str) -> list[Chunk]:
        """Cut a document.

        Raises:
            ParseError: The document's blocks overlap or lie outside its text.
            ConfigurationError: The counter gives one character more tokens than a chunk may have.
        """
        return list(self.chunks(document, uri=uri))

    def chunks(self, document: ParsedDocument, *, uri: str) -> Iterator[Chunk]:
        """Cut a document as ``chunk`` does, one chunk after the other, so that nobody has to hold them all."""
        cutting = _Cutting(document, uri, self._counter, self._max_tokens)
        for section in sections(document, uri=uri):
            yield from cutting.cut(section)


def whole(document: Document, counter: TokenCounter) -> Chunk:
    """One chunk of a document that is taken as given: its full text under its title, however long.

    ``Chunk.tokens`` may exceed what the embedder reads; the caller reports that.

    Example:
        >>> from tercet.models.tokens import token_counter
        >>> from tercet.records import Document
        >>> whole(Document(uri="a", title="Returns", text="Within 30 days."), token_counter(None)).embedded_text
        'Returns\\nWithin 30 days.'
    """
    embedded = embedded_text(document.title, (), "", document.text)
    return Chunk(
        id=_chunk_id(document.uri, embedded, 0),
        text=document.text,
        start=0,
        end=len(document.text),
        title=document.title,
        line_start=1,
        line_end=document.text.rstrip("\n").count("\n") + 1,
        tokens=counter.special_tokens + counter.count(embedded),
    )


class _Cutting:
    """One document being cut."""

    def __init__(self, document: ParsedDocument, uri: str, counter: TokenCounter, max_tokens: int) -> None:
        self._document, self._text, self._uri = document, document.text, uri
        self._counter, self._max_tokens = counter, max_tokens
        self._cost = TokenCosts(document.text, counter)
        self._seen: dict[int, int] = {}
        self._leads: dict[int, tuple[str, int]] = {}
        self._passed = (0, 1)
        """An offset, and its line."""

    def cut(self, section: Section) -> Iterator[Chunk]:
        """Cut one section into chunks."""
        cap = self._max_tokens - self._counter.special_tokens
        title, path = shortened(self._document.title, section.path, budget=cap // 2, count=self._counter.count)
        prefix = embedded_text(title, path, "", "")
        room = max(1, cap - self._counter.count(f"{prefix}\n")) if prefix else cap
        self._leads.clear()
        section = Section(path, section.anchor, section.blocks)
        for atoms in pack(
            self._text,
            self._atoms(section.blocks, room),
            room=lambda atom: room - self._lead(atom, room)[1],
            cost=self._cost,
        ):
            yield from self._emit(section, title, self._lead(atoms[0], room)[0], atoms)

    def _atoms(self, blocks: Sequence[Block], room: int) -> Iterator[Atom]:
        introduced = False
        for block in blocks:
            strength = INTRODUCED if introduced and block.kind != "paragraph" else BLOCK
            yield from split(self._text, block, strength=strength, room=room, measure=self._cost)
            introduced = self._text[max(block.start, block.end - 8) : block.end].rstrip().endswith((":", "："))  # noqa: RUF001  # marks of Chinese

    def _lead(self, atom: Atom, room: int) -> tuple[str, int]:
        """What a chunk that begins with the atom must repeat, and its tokens; nothing where the atom needs the room."""
        if atom.opens:
            return "", 0
        key = atom.block.start
        if key not in self._leads:
            lead = repeated_lead(self._text, atom.block, budget=room // 4, count=self._counter.count)
            self._leads[key] = lead, self._counter.count(f"{lead}\n") if lead else 0
        lead, tokens = self._leads[key]
        return (lead, tokens) if tokens + self._cost(atom.start, atom.end) <= room else ("", 0)

    def _emit(self, section: Section, title: str, lead: str, atoms: Sequence[Atom]) -> Iterator[Chunk]:
        """The chunk of the atoms, or of their parts where the exact count shows that it is too large."""
        start, end = _trimmed(self._text, atoms[0].start, atoms[-1].end)
        if start == end:
            return
        text = self._text[start:end]
        embedded = embedded_text(title, section.path, lead, text)
        tokens = self._counter.special_tokens + self._counter.count(embedded)
        if tokens > self._max_tokens:
            yield from self._emit_parts(section, title, lead, atoms)
            return
        line_start, line_end = self._lines(start, end, atoms)
        yield Chunk(
            id=self._id(embedded),
            text=text,
            start=start,
            end=end,
            title=title,
            heading_path=section.path,
            kind=atoms[0].block.kind,
            lead=lead,
            anchor=section.anchor,
            line_start=line_start,
            line_end=line_end,
            tokens=tokens,
        )

    def _emit_parts(self, section: Section, title: str, lead: str, atoms: Sequence[Atom]) -> Iterator[Chunk]:
        """Tokens were not additive here (a word was cut, unusual Unicode): halve until the exact count holds."""
        if len(atoms) > 1:
            middle = (atoms[0].start + atoms[-1].end) // 2
            stop = min(range(1, len(atoms)), key=lambda index: abs(atoms[index].start - middle))
            yield from self._emit(section, title, lead, atoms[:stop])
            again = "" if atoms[stop].opens else self._lead(atoms[stop], self._max_tokens)[0]
            yield from self._emit(section, title, again, atoms[stop:])
        elif lead:
            yield from self._emit(section, title, "", atoms)
        elif len(parts := finer(self._text, atoms[0], room=self._max_tokens)) > 1:
            yield from self._emit(section, title, "", parts)
        elif title or section.path:
            yield from self._emit(section._replace(path=()), "", "", atoms)
        else:
            raise ConfigurationError(
                f"{self._uri}: one character takes more tokens ({self._counter.name}) than a chunk may have, "
                f"max_tokens={self._max_tokens}.",
                remedy="Raise max_tokens.",
            )

    def _id(self, embedded: str) -> str:
        first = _chunk_id(self._uri, embedded, 0)
        key = int(first, 16)  # takes less room than the text
        ordinal = self._seen.get(key, 0)
        self._seen[key] = ordinal + 1
        return _chunk_id(self._uri, embedded, ordinal) if ordinal else first

    def _lines(self, start: int, end: int, atoms: Sequence[Atom]) -> tuple[int, int]:
        if not self._document.verbatim:
            first = atoms[0].block.line
            return first, max(first, atoms[-1].block.line)
        offset, line = self._passed
        line_start = line + self._text.count("\n", offset, start)
        line_end = line_start + self._text.count("\n", start, end - 1)
        self._passed = (start, line_start)
        return line_start, line_end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without blank lines around; the first line keeps its indentation when the span holds all of it."""
    piece = text[start:end]
    body = piece.strip()
    if not body:
        return start, start
    offset = len(piece) - len(piece.lstrip())
    line = piece.rfind("\n", 0, offset) + 1
    if line == 0 and start > 0 and text[start - 1] != "\n":
        line = offset
    return start + line, start + offset + len(body)


def _chunk_id(uri: str, embedded: str, ordinal: int) -> str:
    content = f"{len(uri)}:{uri}{ordinal}:{embedded}".encode("utf-8", "surrogatepass")
    return blake2b(content, digest_size=16).hexdigest()
