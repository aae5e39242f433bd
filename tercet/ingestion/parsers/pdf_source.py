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
    from collections.abc import Iterator
    from types import TracebackType

_ONE_AT_A_TIME = threading.Lock()
_WORD = re.compile(r"[^\s\x02]+\x02?|\x02")
_HYPHEN = "\x02"
"""What PDFium gives for a hyphen at the end of a line; the next line follows without a break."""
_SPAN_GAP = 0.8
"""Ems between words of one line from which on they may belong to different columns or cells."""
_TOO_SMALL = 1.0
"""Points; smaller text is not for readers."""
_NEARLY_WHITE = 245
_GRID = 128
_LONGEST_OUTLINE = 20_000
_DEEPEST_FORM = 4
_INVISIBLE_MODE = 3
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(r"bold|black|heavy|(?<![a-z])bd(?![a-z])|cmbx", re.IGNORECASE)
_BOLD_MODE = 2  # filled and stroked: how programs embolden a font that has no bold face
_ANY_MODE = -1

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
        """Each page in turn; None for one that is damaged. A page is closed before the next is opened."""
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
        reason, remedy = _REASONS.get(
            getattr(error, "err_code", None),
            ("the PDF is damaged and cannot be opened.", "Print or save it to a new PDF, or exclude the file."),
        )
        raise ParseError(reason, remedy=remedy) from error
    if len(pdf) == 0:
        pdf.close()
        raise ParseError("the PDF has no pages.", remedy="Print or save it to a new PDF, or exclude the file.")
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
        raw = self.text.raw
        content = _characters(raw)
        turns: dict[int, list[Span]] = {}
        box = pdfium_c.FS_RECTF()
        target = ctypes.byref(box)
        get_box, get_object, address_of = pdfium_c.FPDFText_GetLooseCharBox, pdfium_c.FPDFText_GetTextObject, _address
        left, bottom, right, top = self.page.get_bbox()
        styles = self.styles
        span: Span | None = None
        end, turn_of_span = 0, -1
        for match in _WORD.finditer(content):
            start, stop = match.span()
            address = address_of(get_object(raw, start))
            style = styles.get(address) or self._style(address, start)
            if not get_box(raw, start, target):
                continue
            x0, y0, x1, y1 = box.left, box.bottom, box.right, box.top
            if stop - start > 1 and get_box(raw, stop - 1, target):
                x0, y0 = min(x0, box.left), min(y0, box.bottom)
                x1, y1 = max(x1, box.right), max(y1, box.top)
            word = match[0]
            if style.hiding or x1 < left or x0 > right or y1 < bottom or y0 > top:
                outside = x1 < left or x0 > right or y1 < bottom or y0 > top
                if outside or self._is_hidden(style, (x0 + x1) / 2, (y0 + y1) / 2):
                    self.hidden += stop - start
                    span = None
                    continue
            if style.turn:
                x0, y0, x1, y1 = _TURNED[style.turn](x0, y0, x1, y1)
            size = style.size
            if word[-1] == _HYPHEN:
                word = f"{word[:-1]}-"
            between = content[end:start]
            end = stop
            if (
                span is not None
                and turn_of_span == style.turn
                and "\n" not in between
                and not span.text.endswith(_HYPHEN)
                and abs(size - span.size) < 0.5
            ):
                gap = max(x0 - span.x1, span.x0 - x1)
                overlap = min(span.y1, y1) - max(span.y0, y0)
                if gap < _SPAN_GAP * size and overlap > 0.5 * min(span.y1 - span.y0, y1 - y0):
                    span.text = f"{span.text} {word}" if between else f"{span.text}{word}"
                    span.x0, span.x1 = min(span.x0, x0), max(span.x1, x1)
                    span.y0, span.y1 = min(span.y0, y0), max(span.y1, y1)
                    span.bold = span.bold and style.bold
                    if match[0][-1] == _HYPHEN:
                        span = None
                    continue
            span = Span(word, x0, y0, x1, y1, size, style.bold)
            turn_of_span = style.turn
            turns.setdefault(style.turn, []).append(span)
            if match[0][-1] == _HYPHEN:
                span = None
        ordered = sorted(turns.values(), key=lambda spans: -sum(len(each.text) for each in spans))
        drawn = not ordered and pdfium_c.FPDFPage_CountObjects(self.page) > 0
        return Page(self.number, ordered, self.hidden, drawn)

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
        if style.hiding in ("", "never"):
            return bool(style.hiding)
        if self.painted is None:
            self.painted = _Painted(self.page)
        return not self.painted.has(x, y, image=style.hiding == "invisible")


class _Painted:
    """Where a page has images, and where it has anything that white text can be read upon.

    A grid, so that the time is the number of objects and words, not their product.
    """

    def __init__(self, page: Any) -> None:  # noqa: ANN401
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

    def _add(self, handle: Any) -> None:  # noqa: ANN401
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


def _paints(path: Any) -> bool | None:  # noqa: ANN401
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


def _holds_image(form: Any, depth: int) -> bool:  # noqa: ANN401
    for index in range(min(pdfium_c.FPDFFormObj_CountObjects(form), 256)):
        handle = pdfium_c.FPDFFormObj_GetObject(form, index)
        kind = pdfium_c.FPDFPageObj_GetType(handle)
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            return True
        if kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth < _DEEPEST_FORM and _holds_image(handle, depth + 1):
            return True
    return False


def _characters(raw: Any) -> str:  # noqa: ANN401
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


def _address(pointer: Any) -> int:  # noqa: ANN401
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


_TURNED = {
    1: lambda x0, y0, x1, y1: (y0, -x1, y1, -x0),
    2: lambda x0, y0, x1, y1: (-x1, -y1, -x0, -y0),
    3: lambda x0, y0, x1, y1: (-y1, x0, -y0, x1),
}
"""Boxes of text that runs upwards, upside down or downwards, as if it ran to the right."""
