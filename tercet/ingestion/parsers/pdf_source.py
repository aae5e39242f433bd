"""PDF files through PDFium: pages as spans of visible text, with what was hidden on them taken out and counted.

This is the only module that imports pypdfium2. PDFium gives characters with boxes in the order in which they are drawn;
a call for each is dear, so characters are asked for by the word. Everything here is linear in a page's characters and
objects. PDFium is not thread-safe: one document is open at a time in a process.
"""

from __future__ import annotations

import ctypes
import math
import re
import threading
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from tercet.errors import ParseError
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_ONE_AT_A_TIME = threading.Lock()
_WORD = re.compile(r"[^\s\x02]+\x02?|\x02")
_HYPHEN = "\x02"
"""What PDFium gives for a hyphen at the end of a line; the next line follows without a break."""
_LAM_ALEF = re.compile("[\u0622\u0623\u0625\u0627]\u0644")
_SPAN_GAP = 0.8
"""Ems between words of one line from which on they may belong to different columns or cells."""
_TOO_SMALL = 1.0
"""Points; smaller text is not for readers."""
_NEARLY_WHITE = 245
_MOST_PIECES = 30_000
"""Text objects on a page; the engine compares those on one line with each other, and more would take minutes."""
_GRID = 128
_LONGEST_OUTLINE = 20_000
_DEEPEST_FORM = 4
_INVISIBLE_MODE = 3
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(r"bold|black|heavy|(?<![a-z])bd(?![a-z])|cmbx", re.IGNORECASE)
_BOLD_MODE = 2  # filled and stroked: how programs embolden a font that has no bold face
_ANY_MODE = -1

# The bindings' own functions make a pointer object for each call; these two are called for every word.
_text_object = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)(
    ctypes.cast(pdfium_c.FPDFText_GetTextObject, ctypes.c_void_p).value or 0
)
_character_box = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(
    ctypes.cast(pdfium_c.FPDFText_GetLooseCharBox, ctypes.c_void_p).value or 0
)

_DAMAGED = (
    "the PDF is damaged or has no pages, and cannot be opened.",
    "Print or save it to a new PDF, or exclude the file.",
)
_REASONS = {
    pdfium_c.FPDF_ERR_PASSWORD: (
        "the PDF is protected by a password.",
        "Save a copy without a password, or exclude the file.",
    ),
    pdfium_c.FPDF_ERR_SECURITY: (
        "the PDF is encrypted in a way that cannot be read.",
        "Save a copy without encryption, or exclude the file.",
    ),
}


@dataclass(slots=True)
class Span:
    """Words on one line, as far as no gap or change of size parts them. Points; y grows upwards."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool


@dataclass(slots=True)
class Page:
    """The visible text of one page."""

    number: int
    """Counts from 1."""
    turns: list[list[Span]]
    """Spans in drawing order, one list for each direction of writing, the most used first, each turned upright."""
    hidden: int = 0
    """Characters that a reader cannot see; they are not in ``turns``."""
    edges: tuple[float, float] = (0.0, 0.0)
    """Bottom and top of the page, turned as the first list of spans is."""
    drawn: bool = False
    """Whether anything but text is on the page, images above all; only told for pages without text."""


class Bookmark(NamedTuple):
    """An entry of the document outline."""

    title: str
    page: int
    level: int


class PdfSource:
    """An open PDF. Use it as a context manager.

    Raises:
        ParseError: The file needs a password, is damaged or cut short, or has no pages.
    """

    def __init__(self, content: bytes) -> None:
        _ONE_AT_A_TIME.acquire()
        try:
            self._pdf = _opened(content)
        except BaseException:
            _ONE_AT_A_TIME.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._pdf.close()
        finally:
            _ONE_AT_A_TIME.release()

    def __len__(self) -> int:
        return len(self._pdf)

    @property
    def metadata(self) -> dict[str, str]:
        """Title, Author, Subject and Keywords, as far as they are filled in; sanitized, on one line."""
        values = {name: self._pdf.get_metadata_value(name) for name in ("Title", "Author", "Subject", "Keywords")}
        cleaned = {name: " ".join(sanitize(value)[0].split()) for name, value in values.items()}
        return {name: value for name, value in cleaned.items() if value}

    def outline(self) -> list[Bookmark]:
        """The bookmarks that lead to a page, in order; level 1 is the outermost."""
        found: list[Bookmark] = []
        try:
            for entry in islice(self._pdf.get_toc(max_depth=10), _LONGEST_OUTLINE):
                target = entry.get_dest()
                page = target.get_index() if target else None
                title = " ".join(sanitize(entry.get_title())[0].split())
                if page is not None and page >= 0 and title:
                    found.append(Bookmark(title, page + 1, entry.level + 1))
        except pdfium.PdfiumError:  # a broken outline costs the rest of the outline, not the text
            pass
        return found

    def pages(self) -> Iterator[Page | None]:
        """Each page in turn; None for one that is damaged or too much. A page is closed before the next is opened."""
        fields = self._pdf.get_formtype() != pdfium_c.FORMTYPE_NONE
        if fields:
            self._pdf.init_forms()
        fonts: dict[int, bool] = {}
        for index in range(len(self._pdf)):
            try:
                page = self._pdf[index]
                if fields:  # what is filled in becomes part of the page; it must be loaded again to be seen
                    page.flatten()
                    page.close()
                    page = self._pdf[index]
                if pdfium_c.FPDFPage_CountObjects(page) > _MOST_PIECES and _text_objects(page) > _MOST_PIECES:
                    page.close()
                    yield None
                    continue
                text = page.get_textpage()
            except pdfium.PdfiumError:
                yield None
                continue
            try:
                yield _Reader(page, text, index + 1, fonts).read()
            finally:
                text.close()
                page.close()


def _opened(content: bytes) -> pdfium.PdfDocument:
    if not content.strip():
        raise ParseError("the file is empty.", remedy="Fetch the file again, or exclude it.")
    if b"%PDF-" not in content[:1024]:
        raise ParseError(
            "the content is not a PDF (it does not begin with %PDF).", remedy="Fetch the file again, or exclude it."
        )
    if _is_cut_short(content):
        raise ParseError("the PDF is cut short: its end is missing.", remedy="Fetch the file again, or exclude it.")
    try:
        pdf = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        # The engine's code may be that of an earlier file, so the file itself must say that it is encrypted.
        code = getattr(error, "err_code", None) if b"/Encrypt" in content else None
        reason, remedy = _REASONS.get(code, _DAMAGED)
        raise ParseError(reason, remedy=remedy) from error
    if len(pdf) == 0:
        pdf.close()
        raise ParseError("the PDF has no pages.", remedy=_DAMAGED[1])
    return pdf


def _is_cut_short(content: bytes) -> bool:
    """PDFium repairs a file without its end from whatever objects there are, and pages would be missing unsaid."""
    linearized = re.search(rb"/Linearized[^>]{0,200}?/L\s+(\d+)", content[:2048])
    if linearized and int(linearized[1]) > len(content) + 1024:
        return True
    last_object = content.rfind(b" obj")
    return content.find(b"%%EOF", max(last_object, 0)) < 0 and content.find(b"startxref", max(last_object, 0)) < 0


class _Style(NamedTuple):
    size: float
    bold: bool
    turn: int
    hiding: str
    """Why its text may be hidden: ``"never"`` shown, ``"invisible"`` save over images, ``"white"`` save over paint."""


@dataclass(slots=True)
class _Reader:
    """Reads one page."""

    page: Any
    text: Any
    number: int
    fonts: dict[int, bool]
    """Whether a font is bold, by its address; fonts live as long as their document."""
    styles: dict[int, _Style] = field(default_factory=dict)
    """By the address of the text object."""
    painted: _Painted | None = None
    hidden: int = 0

    def read(self) -> Page:
        turns: dict[int, list[Span]] = {}
        for turn, span in self._spans():
            turns.setdefault(turn, []).append(span)
        ordered = sorted(turns, key=lambda turn: -sum(len(span.text) for span in turns[turn]))
        left, bottom, right, top = self.page.get_bbox()
        if ordered and ordered[0]:
            left, bottom, right, top = _TURNED[ordered[0]](left, bottom, right, top)
        drawn = not ordered and _text_objects(self.page) < pdfium_c.FPDFPage_CountObjects(self.page)
        return Page(self.number, [turns[turn] for turn in ordered], self.hidden, (bottom, top), drawn)

    def _spans(self) -> Iterator[tuple[int, Span]]:
        """Words put together to spans, each with its direction."""
        content = self._ligatures(_characters(self.text.raw))
        span: Span | None = None
        turn = begin = end = 0
        for start, stop, style, box in self._words(content):
            x0, y0, x1, y1 = box
            between = content[end:start]
            if (
                span is not None
                and turn == style.turn
                and "\n" not in between
                and (not between or between.isspace())
                and content[start - 1] != _HYPHEN
                and abs(style.size - span.size) < 0.5
                and x0 - span.x1 < _SPAN_GAP * style.size > span.x0 - x1
                and min(span.y1, y1) - max(span.y0, y0) > 0.5 * min(span.y1 - span.y0, y1 - y0)
            ):
                span.x0, span.x1 = min(span.x0, x0), max(span.x1, x1)
                span.y0, span.y1 = min(span.y0, y0), max(span.y1, y1)
                span.bold = span.bold and style.bold
            else:
                if span is not None:
                    span.text = _plain(content[begin:end])
                    yield turn, span
                span = Span("", x0, y0, x1, y1, style.size, style.bold)
                turn, begin = style.turn, start
            end = stop
        if span is not None:
            span.text = _plain(content[begin:end])
            yield turn, span

    def _ligatures(self, content: str) -> str:
        """Put lam before alef where one glyph stands for both: the engine turns them with the line."""
        if _LAM_ALEF.search(content) is None:
            return content
        box = pdfium_c.FS_RECTF()
        target, place = ctypes.addressof(box), _address(self.text.raw)

        def turned(match: re.Match[str]) -> str:
            boxes = []
            for index in (match.start(), match.start() + 1):
                _character_box(place, index, target)
                boxes.append((box.left, box.right))
            return match[0][::-1] if boxes[0] == boxes[1] else match[0]

        return _LAM_ALEF.sub(turned, content)

    def _words(self, content: str) -> Iterator[tuple[int, int, _Style, tuple[float, float, float, float]]]:
        """Where each word that can be seen begins and ends, how it looks, and its box, turned upright."""
        box = pdfium_c.FS_RECTF()
        target, place = ctypes.addressof(box), _address(self.text.raw)
        left, bottom, right, top = self.page.get_bbox()
        styles = self.styles
        for match in _WORD.finditer(content):
            start, stop = match.span()
            address = _text_object(place, start) or 0
            style = styles.get(address) or self._style(address, start)
            if not _character_box(place, start, target):
                continue
            x0, y0, x1, y1 = box.left, box.bottom, box.right, box.top
            if stop - start > 1 and _character_box(place, stop - 1, target):
                # Comparisons, as min and max take longer than asking for the box does.
                x2, y2, x3, y3 = box.left, box.bottom, box.right, box.top
                x0, y0 = x2 if x2 < x0 else x0, y2 if y2 < y0 else y0
                x1, y1 = x3 if x3 > x1 else x1, y3 if y3 > y1 else y1
            outside = x1 < left or x0 > right or y1 < bottom or y0 > top
            if outside or (style.hiding and self._is_hidden(style, (x0 + x1) / 2, (y0 + y1) / 2)):
                self.hidden += stop - start
                continue
            yield start, stop, style, _TURNED[style.turn](x0, y0, x1, y1)

    def _style(self, address: int, index: int) -> _Style:
        """What all characters of a text object share. PDFium's own font size leaves out how text is scaled."""
        raw = self.text.raw
        matrix = pdfium_c.FS_MATRIX()
        pdfium_c.FPDFText_GetMatrix(raw, index, matrix)
        scale = math.hypot(matrix.c, matrix.d) or math.hypot(matrix.a, matrix.b)
        size = round(pdfium_c.FPDFText_GetFontSize(raw, index) * scale, 1)
        turn = round(math.atan2(matrix.b, matrix.a) / (math.pi / 2)) % 4
        handle = pdfium_c.FPDFText_GetTextObject(raw, index)
        mode = pdfium_c.FPDFTextObj_GetTextRenderMode(handle) if handle else _ANY_MODE
        style = _Style(size, self._bold(handle, index) or mode == _BOLD_MODE, turn, self._hiding(index, size, mode))
        self.styles[address] = style
        return style

    def _bold(self, handle: Any, index: int) -> bool:  # noqa: ANN401 (a pointer; the engine's bindings have no types)
        font = pdfium_c.FPDFTextObj_GetFont(handle) if handle else None
        address = _address(font)
        if address not in self.fonts:
            bold = pdfium_c.FPDFText_GetFontWeight(self.text.raw, index) >= _BOLD_WEIGHT
            if font:
                name = ctypes.create_string_buffer(128)
                pdfium_c.FPDFFont_GetBaseFontName(font, name, 128)
                bold = bold or _BOLD_NAME.search(name.value.decode("latin-1")) is not None
            self.fonts[address] = bold
        return self.fonts[address]

    def _hiding(self, index: int, size: float, mode: int) -> str:
        if size < _TOO_SMALL:
            return "never"
        if mode == _INVISIBLE_MODE:
            return "invisible"
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        if mode == 1 or not pdfium_c.FPDFText_GetFillColor(self.text.raw, index, red, green, blue, alpha):
            return ""
        if alpha.value == 0:
            return "invisible"
        return "white" if min(red.value, green.value, blue.value) >= _NEARLY_WHITE else ""

    def _is_hidden(self, style: _Style, x: float, y: float) -> bool:
        if style.hiding == "never":
            return True
        if self.painted is None:
            self.painted = _Painted(self.page)
        return not self.painted.has(x, y, image=style.hiding == "invisible")


class _Painted:
    """Where a page has images, and where it has anything that white text can be read upon.

    A grid, so that the time is the number of objects and words, not their product.
    """

    def __init__(self, page: Any) -> None:  # noqa: ANN401  # untyped
        self._left, self._bottom, right, top = page.get_bbox()
        self._across = _GRID / max(right - self._left, 1.0)
        self._up = _GRID / max(top - self._bottom, 1.0)
        self._images = np.zeros((_GRID, _GRID), dtype=bool)
        self._paint = np.zeros((_GRID, _GRID), dtype=bool)
        for index in range(pdfium_c.FPDFPage_CountObjects(page)):
            self._add(pdfium_c.FPDFPage_GetObject(page, index))

    def has(self, x: float, y: float, *, image: bool) -> bool:
        """Whether there is an image, or else any paint, at a point."""
        grid = self._images if image else self._paint
        return bool(grid[self._cell(y - self._bottom, self._up), self._cell(x - self._left, self._across)])

    def _add(self, handle: Any) -> None:  # noqa: ANN401  # untyped
        kind = pdfium_c.FPDFPageObj_GetType(handle)
        if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
            return
        sides = [ctypes.c_float() for _ in range(4)]
        if not pdfium_c.FPDFPageObj_GetBounds(handle, *sides):
            return
        left, bottom, right, top = (side.value for side in sides)
        area = (
            slice(self._cell(bottom - self._bottom, self._up), self._cell(top - self._bottom, self._up) + 1),
            slice(self._cell(left - self._left, self._across), self._cell(right - self._left, self._across) + 1),
        )
        if kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            painted = _paints(handle)
            if painted is not None:
                self._paint[area] = painted
            return
        self._paint[area] = True
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE or (kind == pdfium_c.FPDF_PAGEOBJ_FORM and _holds_image(handle, 0)):
            self._images[area] = True

    def _cell(self, distance: float, scale: float) -> int:
        return min(max(int(distance * scale), 0), _GRID - 1) if math.isfinite(distance) else 0


def _paints(path: Any) -> bool | None:  # noqa: ANN401  # untyped
    """True: fills its area with a colour; False: with white; None: not at all."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    if not pdfium_c.FPDFPath_GetDrawMode(path, fill, stroke) or fill.value == pdfium_c.FPDF_FILLMODE_NONE:
        return None
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium_c.FPDFPageObj_GetFillColor(path, red, green, blue, alpha):
        return True
    if alpha.value == 0:
        return None
    return min(red.value, green.value, blue.value) < _NEARLY_WHITE


def _holds_image(form: Any, depth: int) -> bool:  # noqa: ANN401  # untyped
    for index in range(min(pdfium_c.FPDFFormObj_CountObjects(form), 256)):
        handle = pdfium_c.FPDFFormObj_GetObject(form, index)
        kind = pdfium_c.FPDFPageObj_GetType(handle)
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            return True
        if kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth < _DEEPEST_FORM and _holds_image(handle, depth + 1):
            return True
    return False


def _characters(raw: Any) -> str:  # noqa: ANN401  # untyped
    """The text of a page with exactly one character for each that PDFium counts."""
    count = pdfium_c.FPDFText_CountChars(raw)
    if count <= 0:
        return ""
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium_c.FPDFText_GetText(raw, 0, count, buffer)
    text = bytes(buffer)[: 2 * count].decode("utf-16-le", "replace")
    if written == count + 1 and len(text) == count:
        return text.replace("\ufffe", _HYPHEN)
    # Some characters stand for nothing, or for two: only now is asking for each one worth its time.
    get = pdfium_c.FPDFText_GetUnicode
    codes = (get(raw, index) for index in range(count))
    return "".join(chr(code) if 0 < code < 0x110000 else " " for code in codes).replace("\ufffe", _HYPHEN)


def _text_objects(page: Any) -> int:  # noqa: ANN401  # untyped
    get, kind_of = pdfium_c.FPDFPage_GetObject, pdfium_c.FPDFPageObj_GetType
    count = pdfium_c.FPDFPage_CountObjects(page)
    return sum(1 for index in range(count) if kind_of(get(page, index)) == pdfium_c.FPDF_PAGEOBJ_TEXT)


def _address(pointer: Any) -> int:  # noqa: ANN401  # untyped
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _plain(characters: str) -> str:
    return " ".join(characters.replace(_HYPHEN, "-").split())


_TURNED: dict[int, Callable[[float, float, float, float], tuple[float, float, float, float]]] = {
    0: lambda x0, y0, x1, y1: (x0, y0, x1, y1),
    1: lambda x0, y0, x1, y1: (y0, -x1, y1, -x0),
    2: lambda x0, y0, x1, y1: (-x1, -y1, -x0, -y0),
    3: lambda x0, y0, x1, y1: (-y1, x0, -y0, x1),
}
"""Boxes of text that runs upwards, upside down or downwards, as if it ran to the right."""
