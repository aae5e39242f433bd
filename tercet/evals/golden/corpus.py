"""The corpus that golden questions are made from: documents with their sections."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import ParseError, SourceError
from tercet.ingestion.parsers import BINARY, format_of, parse
from tercet.ingestion.reading import read_file
from tercet.ingestion.sources import scan_folder
from tercet.memory.memory import Memory
from tercet.records import Document
from tercet.settings import ParsingLimits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tercet.records import Chunk, ParsedDocument

Source = Memory | str | Path | list[Document] | tuple[Document, ...]
"""Where a corpus comes from: a memory, a folder of files, or documents."""


class CorpusSection(NamedTuple):
    """A heading and the text under it, up to the next heading of any level."""

    path: tuple[str, ...]
    """Titles of the headings in force, outermost first; empty before the first one."""
    anchor: str
    title_start: int
    """Where the last title of the path stands; equal to ``title_end`` where it stands nowhere."""
    title_end: int
    start: int
    """Of the text under the heading."""
    end: int


class CorpusDocument(NamedTuple):
    """A document of the corpus."""

    uri: str
    title: str
    text: str
    sections: tuple[CorpusSection, ...]
    code: bool
    """Whether it is the source of a program, by the suffix of its uri."""

    @property
    def document(self) -> Document:
        """The document as it can be ingested."""
        return Document(uri=self.uri, title=self.title, text=self.text)


def read_corpus(source: Source) -> tuple[CorpusDocument, ...]:
    """Read the documents that questions are to be made from.

    Args:
        source: A memory (documents that belong to no tenant), a folder (files that no parser can read
            are left out, and PDF and Word files: ingest those and name the memory), or documents: parsed by the suffix
            of their uri where it has a known one, else taken as one section.

    Returns:
        By uri; a uri that several corpora of a memory share is taken from the first.

    Raises:
        SourceError: The folder does not exist or holds nothing that can be read.
    """
    if isinstance(source, Memory):
        found = _from_memory(source)
    elif isinstance(source, list | tuple):
        found = map(_from_document, source)
    else:
        found = _from_folder(Path(source))
    documents: dict[str, CorpusDocument] = {}
    for document in found:
        documents.setdefault(document.uri, document)
    return tuple(documents[uri] for uri in sorted(documents))


def _from_folder(folder: Path) -> Iterator[CorpusDocument]:
    root = folder.resolve().name
    files = scan_folder(folder, readable=lambda name: format_of(name) not in {None, *BINARY}).files
    if not files:
        raise SourceError(f"{folder} holds no file that can be read.", remedy="Name a folder with documentation.")
    for file in files:
        try:
            data = read_file(folder / file.path, max_bytes=int(ParsingLimits().max_file_mb * 1e6))
            # As ingesting the folder names it, so that the questions fit the memory too.
            yield _parsed(f"{root}/{file.path}", parse(data, name=file.path))
        except ParseError:
            continue  # ingesting reports such files; no question can be made from them


def _from_document(document: Document) -> CorpusDocument:
    named = format_of(document.uri)
    if named in {None, "text", "docx", "pdf"}:
        whole = CorpusSection((), "", 0, 0, 0, len(document.text))
        return CorpusDocument(document.uri, document.title, document.text, (whole,), False)
    parsed = parse(document.text.encode("utf-8", "replace"), name=document.uri)
    return _parsed(document.uri, parsed, title=document.title)


def _parsed(uri: str, parsed: ParsedDocument, *, title: str = "") -> CorpusDocument:
    found: list[CorpusSection] = []
    open_headings: list[tuple[int, str]] = []
    blocks = parsed.blocks
    current = CorpusSection((), "", 0, 0, blocks[0].start if blocks else 0, 0)
    for block in blocks:
        if block.kind != "heading":
            continue
        found.append(current._replace(end=max(current.start, block.start)))
        while open_headings and open_headings[-1][0] >= block.level:
            open_headings.pop()
        open_headings.append((block.level, block.title))
        begin = parsed.text.find(block.title, block.start, block.end) if block.title else -1
        place = (begin, begin + len(block.title)) if begin >= 0 else (block.start, block.end)
        path = tuple(name for _, name in open_headings if name)
        current = CorpusSection(path, block.anchor, *place, block.end, 0)
    found.append(current._replace(end=max(current.start, blocks[-1].end if blocks else len(parsed.text))))
    sections = tuple(section for section in found if section.path or section.start < section.end)
    return CorpusDocument(uri, title or parsed.title, parsed.text, sections, _is_code(uri))


def _from_memory(memory: Memory) -> Iterator[CorpusDocument]:
    for info in memory.semantic.documents():
        text, rows = memory.semantic.read(info.id)
        stored = memory.semantic.load(rows)
        chunks = [stored[row].chunk for row in rows if row in stored]
        sections = tuple(_from_chunks(text, chunks))
        yield CorpusDocument(info.uri, info.title, text, sections, _is_code(info.uri))


def _from_chunks(text: str, chunks: Iterable[Chunk]) -> Iterator[CorpusSection]:
    """Sections as the chunks tell them: a run of chunks with one heading path; the title stands somewhere before it."""
    before = 0
    for path, run in groupby(chunks, key=lambda chunk: chunk.heading_path):
        own = list(run)
        start, end = own[0].start, own[-1].end
        begin = text.rfind(path[-1], before, start) if path else -1
        place = (begin, begin + len(path[-1])) if begin >= 0 else (start, start)
        yield CorpusSection(path, own[0].anchor, *place, start, end)
        before = end


def _is_code(uri: str) -> bool:
    named = format_of(uri) or ""
    return named == "python" or named.startswith("source:")
