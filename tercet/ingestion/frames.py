"""What parser processes and their parent say to each other: JSON in frames, each after its length in four bytes.

JSON, because an answer made from a hostile file must not be able to run anything in the parent.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from tercet.errors import ParseError
from tercet.memory.stored import FileStamp, FurtherParts, IncludedFile, IndexedChunk, Part
from tercet.models.lexical import TermCounts
from tercet.records import Block, Chunk, Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FRAME = 512 << 20
"""Bytes; a file that becomes more than this fails alone."""

Frame = dict[str, Any]

_BLOCK = ("kind", "start", "end", "level", "title", "anchor", "lead_end", "line")
_CHUNK = ("id", "start", "end", "title", "heading_path", "kind", "lead", "anchor", "line_start", "line_end", "tokens")


class FrameError(Exception):
    """The other side sent something that is no frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFile:
    """One file as its parser process answered it."""

    content_hash: str
    document: ParsedDocument
    chunks: Sequence[IndexedChunk] | None
    """None where the parent cuts with a chunker of its own; the blocks are there instead."""
    url: str = ""
    """Of the published page; empty: none."""
    included: tuple[IncludedFile, ...] = ()
    """Other files that the page asked for."""
    further: FurtherParts | None = None
    """What follows the text and the chunks of a large document; None: they are all of it."""


def write_frame(stream: IO[bytes], frame: Frame) -> None:
    """Write one frame and flush it.

    Raises:
        ParseError: It is longer than ``MAX_FRAME``, or holds half a surrogate pair; nothing was written.
        OSError: The other side is gone.
    """
    try:
        body = json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise ParseError("holds characters that are no valid Unicode (half a surrogate pair)") from None
    if len(body) > MAX_FRAME:
        raise ParseError(f"became {len(body) / 1e6:.0f} MB when parsed; the limit is {MAX_FRAME / 1e6:.0f} MB")
    stream.write(len(body).to_bytes(4, "big"))
    stream.write(body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> Frame | None:
    """Read one frame; None: the other side closed the stream.

    Raises:
        FrameError: What came is cut short, too long, or no JSON object.
    """
    head = stream.read(4)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    if len(head) < 4 or length > MAX_FRAME:
        raise FrameError("a frame with an impossible length")
    body = stream.read(length)
    if len(body) < length:
        raise FrameError("a frame that ends early")
    try:
        frame = json.loads(body)
    except (ValueError, RecursionError):
        raise FrameError("a frame that is no JSON") from None
    if not isinstance(frame, dict):
        raise FrameError("a frame that is no object")
    return frame


def document_frame(content_hash: str, document: ParsedDocument, part: Part | None, *, more: bool = False) -> Frame:
    """The answer for a parsed file, or the first of its parts.

    Args:
        content_hash: Of the file.
        document: What was parsed.
        part: Text and chunks; None: all of the text goes, with its blocks.
        more: Whether further parts follow, each as a ``part_frame``.
    """
    frame: Frame = {
        "content_hash": content_hash,
        "title": document.title,
        "metadata": dict(document.metadata),
        "findings": [[finding.kind, finding.count, finding.detail] for finding in document.findings],
        "verbatim": document.verbatim,
    }
    if part is not None:
        return frame | part_frame(part, more=more)
    blocks = [[getattr(block, name) for name in _BLOCK] for block in document.blocks]
    return frame | {"text": document.text, "blocks": blocks, "more": False}


def part_frame(part: Part, *, more: bool) -> Frame:
    """A part of a document. A chunk's text is not sent: it is a span of the part's."""
    rows = [
        [*(getattr(indexed.chunk, name) for name in _CHUNK), base64.b64encode(indexed.terms.to_bytes()).decode()]
        for indexed in part.chunks
    ]
    return {"text": part.text, "chunks": rows, "more": more}


def read_document(frame: Frame) -> ParsedFile:
    """Rebuild what ``document_frame`` made; further parts are not there yet.

    Raises:
        FrameError: The answer is not of that shape, or a span lies outside the text.
    """
    try:
        text = cast("str", frame["text"])
        document = ParsedDocument(
            text=text,
            blocks=tuple(
                Block(**dict(zip(_BLOCK, _span(values, 0, text), strict=True))) for values in frame.get("blocks", ())
            ),
            title=frame["title"],
            metadata=frame["metadata"],
            findings=tuple(Finding(kind=kind, count=count, detail=detail) for kind, count, detail in frame["findings"]),
            verbatim=frame["verbatim"],
        )
        chunks = None if "blocks" in frame else read_part(frame, 0).chunks
        included = tuple(
            IncludedFile(path=path, stamp=FileStamp(*stamp), content_hash=content_hash)
            for path, stamp, content_hash in frame.get("included", ())
        )
        return ParsedFile(
            content_hash=frame["content_hash"],
            document=document,
            chunks=chunks,
            url=frame.get("url", ""),
            included=included,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"an answer of the wrong shape ({error!r})") from None


def read_part(frame: Frame, start: int) -> Part:
    """Rebuild what ``part_frame`` made of the part that begins at an offset of the document.

    Raises:
        FrameError: The answer is not of that shape, or a span lies outside the part.
    """
    try:
        text = cast("str", frame["text"])
        chunks = tuple(_indexed_chunk(_span(values, start, text), start, text) for values in frame["chunks"])
        return Part(text, chunks)
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"an answer of the wrong shape ({error!r})") from None


def _indexed_chunk(values: list[Any], start: int, text: str) -> IndexedChunk:
    *parts, terms = values
    fields = dict(zip(_CHUNK, parts, strict=True))
    fields["heading_path"] = tuple(fields["heading_path"])
    chunk = Chunk(text=text[fields["start"] - start : fields["end"] - start], **fields)
    return IndexedChunk(chunk=chunk, terms=TermCounts.from_bytes(base64.b64decode(terms)))


def _span(values: list[Any], start: int, text: str) -> list[Any]:
    if not start <= values[1] <= values[2] <= start + len(text):
        raise ValueError(f"a span {values[1]}:{values[2]} outside the text")
    return values
