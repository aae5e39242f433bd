"""Pages that are rendered to Markdown-like text rather than cut from their source."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.headings import LONGEST_TITLE
from tercet.records import Block, BlockKind, Finding, Metadata, ParsedDocument
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MARK_LEVEL = 7
_BACKTICKS = re.compile(r"`{3,}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A rendered stretch of a page that becomes one block."""

    kind: BlockKind
    text: str
    line: int = 0
    lead: int = 0
    """Lines at its start that each further piece repeats: an opening fence, a table's header and delimiter row."""


class RenderedPage:
    """Collects the blocks of a page and the text that they are spans of.

    Entities and escapes can stand for hidden characters, so text is sanitized once more when it is added.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._removed: Counter[str] = Counter()

    def add(self, piece: Piece) -> None:
        """Append a block; one without any text is left out."""
        text = self._clean(piece.text).strip("\n").rstrip()
        if not text.strip():
            return
        start = self._append(text)
        lead = "\n".join(text.split("\n", piece.lead)[: piece.lead]) if piece.lead else ""
        self._blocks.append(
            Block(
                kind=piece.kind,
                start=start,
                end=self._length,
                lead_end=start + len(lead) if piece.kind in ("code", "table") else 0,
                line=piece.line,
            )
        )

    def heading(self, title: str, *, level: int, anchor: str = "", line: int = 0) -> None:
        """Append a heading; one as long as a paragraph is a paragraph."""
        title = " ".join(self._clean(title).split())
        if len(title) > LONGEST_TITLE:
            self.add(Piece("paragraph", title, line))
        elif title:
            start = self._append(f"{'#' * level} {title}")
            self._blocks.append(
                Block(
                    kind="heading",
                    start=start,
                    end=self._length,
                    level=level,
                    title=title,
                    anchor=self._clean(anchor),
                    line=line,
                )
            )

    def mark(self, anchor: str) -> None:
        """Give what follows an anchor, up to the next heading or mark: a heading without text, below all others."""
        self._blocks.append(
            Block(kind="heading", start=self._length, end=self._length, level=_MARK_LEVEL, anchor=self._clean(anchor))
        )

    def document(self, *, title: str, metadata: Metadata, findings: Sequence[Finding]) -> ParsedDocument:
        """The finished page. Without a title it takes the first heading of level 1, or the heading it begins with."""
        removed = tuple(Finding(kind=kind, count=count) for kind, count in sorted(self._removed.items()))
        blocks = tuple(self._blocks)
        return ParsedDocument(
            text="\n\n".join(self._parts),
            blocks=blocks,
            title=" ".join(self._clean(title).split()),
            metadata=metadata,
            findings=(*findings, *removed),
            verbatim=False,
        )

    @property
    def blocks(self) -> Sequence[Block]:
        """The blocks so far."""
        return self._blocks

    def _append(self, text: str) -> int:
        start = self._length + 2 if self._parts else 0
        self._parts.append(text)
        self._length = start + len(text)
        return start

    def _clean(self, text: str) -> str:
        cleaned, findings = sanitize(text)
        for finding in findings:
            self._removed[finding.kind] += finding.count
        return cleaned


def fenced(code: str, language: str = "", *, line: int = 0) -> Piece:
    """A code block whose fence is longer than any inside it.

    Example:
        >>> fenced("ls", "sh").text
        '```sh\\nls\\n```'
    """
    code = code.strip("\n").rstrip()
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=2)
    fence = "`" * (longest + 1)
    language = re.sub(r"[^\w+#.-]", "", language)
    return Piece("code", f"{fence}{language}\n{code}\n{fence}" if code.strip() else "", line, lead=1)


def table(rows: Sequence[Sequence[str]], *, header_rows: int, line: int = 0) -> Piece:
    """A table as one line a row, cells apart by ``" | "``; a header is followed by a delimiter row.

    Example:
        >>> table([["key", "use"], ["a", "b"]], header_rows=1).text
        'key | use\\n--- | ---\\na | b'
    """
    lines = [" | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row).strip() for row in rows]
    header_rows = min(header_rows, len(lines))
    if header_rows:
        lines.insert(header_rows, " | ".join("---" for _ in rows[0]))
    return Piece("table", "\n".join(lines), line, lead=header_rows + 1 if header_rows else 0)


def around_code(kind: BlockKind, pieces: Iterable[Piece], *, line: int = 0) -> list[Piece]:
    """Join the pieces inside a list or admonition, save for code and tables, which stay between what is joined."""
    joined: list[Piece] = []
    pending: list[Piece] = []

    def flush() -> None:
        if pending:
            joined.append(Piece(kind, "\n".join(piece.text for piece in pending), pending[0].line or line))
            pending.clear()

    for piece in pieces:
        if piece.kind in ("code", "table"):
            flush()
            joined.append(piece)
        elif piece.text.strip():
            pending.append(piece)
    flush()
    return joined
