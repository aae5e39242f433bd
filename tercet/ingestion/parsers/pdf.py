"""PDF: the text of its pages as paragraphs, lists, tables and headings, rendered to Markdown-like text.

A PDF has no lines of its own to cite; what readers open is a page. Headings therefore have the anchor ``page=12``, the
open parameter of PDF viewers (``file.pdf#page=12``), and where a page begins within a section, an empty heading
below all others carries its anchor, so that a chunk belongs to one page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tercet.errors import ParseError
from tercet.ingestion.parsers.pdf_headings import Headings
from tercet.ingestion.parsers.pdf_layout import lines_of
from tercet.ingestion.parsers.pdf_margins import without_margins
from tercet.ingestion.parsers.pdf_paragraphs import Paragraph, Paragraphs
from tercet.ingestion.parsers.pdf_source import PdfSource
from tercet.ingestion.parsers.pdf_tables import table_at
from tercet.ingestion.parsers.rendering import Piece, RenderedPage, table
from tercet.records import Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.ingestion.parsers.pdf_layout import Line
    from tercet.ingestion.parsers.pdf_source import Bookmark, Page
    from tercet.records import Scalar

_NO_TITLE = re.compile(
    r"\W*(?:untitled|anonymous|unknown|none|title|no title|no job name|document\s?\d*|slide\s?\d*|page\s?\d*|blank page"
    r"|untitled (?:document|spreadsheet|presentation)|powerpoint presentation|word document|microsoft \w+)\W*",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r"^microsoft \w+ - |^\S+\.[a-z]{1,4}\d?$|\.(?:docx?|xlsx?|pptx?|pdf|tex|dvi|indd|qxd|odt|odp|ods|rtf|txt|html?"
    r"|pages|key|p65|fm|ps|eps|jpe?g|png|tiff?)\b|^[\w-]*[\d_][\w-]*$|^\w+(?:-\w+)+$|[\\/]\S*[\\/]",
    re.IGNORECASE,
)
_LONGEST_TITLE = 200


def parse(content: bytes) -> ParsedDocument:
    """Render the text of a PDF.

    Args:
        content: The bytes of the file.

    Raises:
        ParseError: The file is protected by a password, damaged, cut short or without pages, or has no text at all.

    Example:
        >>> parse(Path("handbook.pdf").read_bytes()).title  # doctest: +SKIP
        'Staff handbook'
    """
    with PdfSource(content) as source:
        outline = source.outline()
        reading = _Reading()
        for page in source.pages():
            reading.add(page)
        metadata, pages = source.metadata, len(source)
    findings = reading.findings(pages)
    rendered = _rendered(without_margins(reading.pages), outline)
    described: dict[str, Scalar] = {"pages": pages}
    for key, name in (("author", "Author"), ("description", "Subject"), ("keywords", "Keywords")):
        value = metadata.get(name, "")
        if value and value.strip("()").casefold() not in ("anonymous", "unspecified"):
            described[key] = value
    title = _sensible(metadata.get("Title", "")) or _first_title(rendered)
    return rendered.document(title=title, metadata=described, findings=findings)


class _Reading:
    """The lines of the pages read so far, and what was wrong with them."""

    def __init__(self) -> None:
        self.pages: list[list[Line]] = []
        self._hidden = self._images = self._damaged = 0

    def add(self, page: Page | None) -> None:
        if page is None:
            self._damaged += 1
            return
        self._hidden += page.hidden
        self._images += page.drawn
        if page.turns:
            self.pages.append(lines_of(page))

    def findings(self, pages: int) -> list[Finding]:
        """What to report of a document with this many pages.

        Raises:
            ParseError: There is nothing to report on.
        """
        if not self.pages:
            raise self._nothing(pages)
        found = []
        if self._hidden:
            found.append(Finding(kind="hidden-text", count=self._hidden, detail="characters that no reader sees"))
        if self._images:
            found.append(Finding(kind="no-text", count=self._images, detail="pages of images only; they need OCR"))
        if self._damaged:
            found.append(Finding(kind="unread-page", count=self._damaged, detail="pages that are damaged or too much"))
        return found

    def _nothing(self, pages: int) -> ParseError:
        counted = "its only page" if pages == 1 else f"its {pages} pages"
        if self._images:
            verb = "holds" if pages == 1 else "hold"
            return ParseError(
                f"the PDF has no text: {counted} {verb} only images.",
                remedy="Run OCR over it (such as ocrmypdf) and ingest the result, or exclude the file.",
            )
        if self._damaged:
            return ParseError(
                f"the PDF cannot be read: the content of {counted} is damaged or too much.",
                remedy="Print or save it to a new PDF, or exclude the file.",
            )
        if self._hidden:
            return ParseError(f"the PDF has no text that a reader sees in {counted}.", remedy="Exclude the file.")
        return ParseError(f"the PDF has no text: nothing is on {counted}.", remedy="Exclude the file.")


def _rendered(pages: Sequence[Sequence[Line]], outline: Sequence[Bookmark]) -> RenderedPage:
    lines = [line for page in pages for line in page]
    headings, rendering = Headings(lines, outline), _Rendering(lines)
    index = 0
    while index < len(lines):
        line = lines[index]
        heading = headings.at(index)
        if heading:
            rendering.heading(heading.title, heading.level, line.page)
            index += heading.lines
            continue
        found = table_at(lines, index)
        if found:
            rendering.piece(table(found.rows, header_rows=found.header_rows), line.page)
            index += found.lines
            continue
        rendering.line(line)
        index += 1
    return rendering.finished()


class _Rendering:
    """Adds blocks to a page, and a mark wherever another page of the PDF begins."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._page = RenderedPage()
        self._paragraphs = Paragraphs(lines)
        self._open: list[Paragraph] = []
        """A paragraph, or the items of a list, that the next line may belong to."""
        self._number = 0

    def heading(self, title: str, level: int, number: int) -> None:
        self._flush()
        self._page.heading(title, level=level, anchor=f"page={number}")
        self._number = number

    def piece(self, piece: Piece, number: int) -> None:
        self._flush()
        self._add(piece, number)

    def line(self, line: Line) -> None:
        if self._open and not self._paragraphs.begins(self._open[-1], line):
            self._paragraphs.add(self._open[-1], line)
            return
        paragraph = self._paragraphs.open(line)
        if self._open and not (self._open[-1].marker and paragraph.marker and self._open[0].page == line.page):
            self._flush()
        self._open.append(paragraph)

    def finished(self) -> RenderedPage:
        self._flush()
        return self._page

    def _flush(self) -> None:
        if not self._open:
            return
        first = self._open[0]
        if first.marker:
            text = "\n".join(f"{item.marker} {item.text}" for item in self._open)
            self._add(Piece("list", text), first.page)
        else:
            self._add(Piece("paragraph", first.text), first.page)
        self._open = []

    def _add(self, piece: Piece, number: int) -> None:
        if number != self._number and piece.text.strip():
            self._page.mark(f"page={number}")
            self._number = number
        self._page.add(piece)


def _sensible(title: str) -> str:
    """A title from the metadata, unless a program put a file name or a placeholder there.

    Example:
        >>> _sensible("Staff handbook"), _sensible("Microsoft Word - x.doc"), _sensible("report_final2")
        ('Staff handbook', '', '')
    """
    if len(title) > _LONGEST_TITLE or _NO_TITLE.fullmatch(title) or _FILE_NAME.search(title):
        return ""
    return title if sum(1 for character in title if character.isalpha()) > 2 else ""


def _first_title(page: RenderedPage) -> str:
    """The highest heading of the first page that has one; the first, where headings of that level are not unique."""
    titles = [block for block in page.blocks if block.kind == "heading" and block.title]
    if not titles:
        return ""
    highest = min((block for block in titles if block.anchor == titles[0].anchor), key=lambda block: block.level)
    return highest.title if sum(block.level == highest.level for block in titles) == 1 else titles[0].title
