"""HTML: the main content of a page, rendered to Markdown-like text.

Navigation, forms, scripts and hidden elements are left out; hidden elements that held text are counted in a finding.
The tree is walked with a loop, so nesting costs no stack, and each element is visited once.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from lxml import etree

from tercet.errors import ParseError
from tercet.ingestion.parsers.headings import title_of
from tercet.ingestion.parsers.html_content import NEVER_SHOWN, is_admonition, is_boilerplate, is_hidden, main_content
from tercet.ingestion.parsers.rendering import Piece, RenderedPage, fenced, table
from tercet.records import BlockKind, Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "dl"})
_BLOCKS = frozenset(
    (
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    )
)
_CELL_BREAKS = frozenset({"p", "div", "li", "br", "dd", "dt", "tr"})
_NOT_IN_DATA_TABLES = frozenset({"table", "pre", "h1", "h2", "h3", "h4", "article", "form"})
_ROW_PARTS = frozenset({"table", "thead", "tbody", "tfoot", "tr"})
_UNKNOWN_FROM_LINE = 65_535
# Characters that sanitized text does not have.
_LINE_MARK, _CODE_MARK = "\0", "\1"


def parse(text: str) -> ParsedDocument:
    """Render the content of a sanitized HTML page.

    Raises:
        ParseError: Elements are nested so deeply that the reader (libxml2) would drop what is below.

    Example:
        >>> parse("<title>Keys</title><nav>Home</nav><main><h1 id=k>Keys</h1><p>Rotate <b>them</b>.</main>").text
        '# Keys\\n\\nRotate them.'
    """
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        if not text.strip():
            return ParsedDocument(text="", blocks=(), verbatim=False)
        raise ParseError(f"the HTML cannot be read: {error.msg}.", remedy="Exclude the file.") from error
    if any("xcessive depth" in entry.message for entry in parser.error_log):
        raise ParseError(
            "elements are nested more than 2,000 deep, and what is below would be lost.",
            remedy="Simplify the file, or exclude it.",
        )
    if root is None:
        return ParsedDocument(text="", blocks=(), verbatim=False)
    page, hidden = _Renderer().render(main_content(root))
    title, heading = _text(root.find(".//title")), title_of(page.blocks)
    if not title or heading in title:  # "Keys - The Shop Manual": every page of a site says the rest
        title = heading or title
    findings = (Finding(kind="hidden-text", count=hidden),) if hidden else ()
    return page.document(title=title, metadata=_metadata(root), findings=findings)


def _metadata(root: _Element) -> dict[str, str]:
    metadata: dict[str, str] = {}
    for meta in root.iter("meta"):
        name, content = (meta.get("name") or "").lower(), " ".join((meta.get("content") or "").split())
        if name in ("description", "keywords", "author") and content:
            metadata.setdefault(name, content)
    language = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang")
    if language:
        metadata["lang"] = language
    return metadata


class _Renderer:
    """Walks a tree once, collecting words until a block ends."""

    def __init__(self) -> None:
        self._page = RenderedPage()
        self._words: list[str] = []
        self._line = 0
        self._hidden = 0
        self._anchor = ""
        self._lists: list[int] = []
        """Number of the last item for each open list, outermost first; -1 in lists without numbers."""
        self._admonitions = 0
        self._pending: list[str] = []
        self._pending_line = 0
        self._marker: str | None = None
        """What the next line of a list begins with; None goes on with the item."""

    def render(self, root: _Element) -> tuple[RenderedPage, int]:
        """Render everything under an element; the second result counts hidden elements."""
        walk = etree.iterwalk(root, events=("start", "end"))
        skipped: _Element | None = None
        for event, element in walk:
            tag = element.tag
            if event == "start":
                if not isinstance(tag, str) or self._is_left_out(element, root) or self._is_whole(element, tag):
                    walk.skip_subtree()
                    skipped = element
                    continue
                self._start(element, tag)
                if element.text:
                    self._words.append(element.text)
            else:
                if element is not skipped:
                    self._end(element, tag)
                if element.tail and element is not root:
                    self._words.append(element.tail)
        self._flush()
        self._flush_pending()
        return self._page, self._hidden

    def _is_left_out(self, element: _Element, root: _Element) -> bool:
        if element.tag in NEVER_SHOWN:
            return True
        if element is root or not (element.attrib or element.tag in ("nav", "footer", "aside", "header", "form")):
            return False
        if is_hidden(element):
            self._hidden += any(text.strip() for text in element.itertext())
            return True
        return is_boilerplate(element)

    def _is_whole(self, element: _Element, tag: str) -> bool:
        """Render an element that is one block in itself; its subtree is not walked again."""
        if tag in _HEADINGS:
            self._heading(element, _HEADINGS[tag])
        elif tag in ("pre", "listing", "xmp"):
            self._interrupt(fenced(_raw_text(element), _language(element), line=_line(element)))
        elif tag == "table" and not _is_layout(element):
            for piece in _table(element):
                self._interrupt(piece)
        else:
            return False
        return True

    def _heading(self, element: _Element, level: int) -> None:
        self._flush()
        title = " ".join("".join(_visible_text(element)).split())
        if self._lists or self._admonitions:
            self._add("paragraph", title, _line(element))
            return
        self._flush_pending()
        target = element.find(".//a[@name]")
        anchor = element.get("id") or (target.get("name") if target is not None else None) or self._anchor
        self._page.heading(title, level=level, anchor=anchor or "", line=_line(element))
        self._anchor = ""

    def _interrupt(self, piece: Piece) -> None:
        self._flush()
        self._flush_pending()
        self._page.add(piece)
        self._anchor = ""

    def _start(self, element: _Element, tag: str) -> None:
        if tag == "br":
            self._words.append(_LINE_MARK)
            return
        if tag in ("code", "kbd", "samp", "tt"):
            self._words.append(_CODE_MARK)
        if tag not in _BLOCKS:
            return
        self._flush()
        self._line = _line(element)
        if tag in ("section", "div", "article") and element.get("id"):
            self._anchor = element.get("id") or ""
        if tag in _LISTS:
            if not self._lists and not self._admonitions:
                self._flush_pending()
            self._lists.append(0 if tag == "ol" else -1)
        elif tag == "dt" and self._lists:
            self._marker = ""
        elif tag in ("li", "dd") and self._lists:
            self._marker = "- " if tag == "li" else "    "
            if self._lists[-1] >= 0:
                self._lists[-1] += 1
                self._marker = f"{self._lists[-1]}. "
        elif is_admonition(element):
            if not self._lists and not self._admonitions:
                self._flush_pending()
            self._admonitions += 1

    def _end(self, element: _Element, tag: str) -> None:
        if tag in ("code", "kbd", "samp", "tt"):
            self._words.append(_CODE_MARK)
        if tag not in _BLOCKS:
            return
        self._flush()
        if tag in _LISTS and self._lists:
            self._lists.pop()
            if not self._lists and not self._admonitions:
                self._flush_pending("list")
        elif is_admonition(element):
            self._admonitions -= 1
            if not self._lists and not self._admonitions:
                self._flush_pending("admonition")
        self._marker = None

    def _flush(self) -> None:
        if not self._words:
            return
        text = "".join(self._words)
        self._words.clear()
        lines = [" ".join(line.split()) for line in text.split(_LINE_MARK)]
        text = "\n".join(line for line in lines if line).replace(_CODE_MARK * 2, "").replace(_CODE_MARK, "`")
        if text:
            self._add("paragraph", text, self._line)

    def _add(self, kind: BlockKind, text: str, line: int) -> None:
        if not self._lists and not self._admonitions:
            self._flush_pending()
            self._page.add(Piece(kind, text, line))
            self._anchor = ""
            return
        margin = "  " * max(len(self._lists) - 1, 0)
        marker = self._marker if self._marker is not None else "  " if self._lists else ""
        self._marker = None
        self._pending_line = self._pending_line or line
        self._pending.extend(
            f"{margin}{marker if index == 0 else ' ' * len(marker)}{part}"
            for index, part in enumerate(text.split("\n"))
        )

    def _flush_pending(self, kind: BlockKind | None = None) -> None:
        if self._pending:
            kind = kind or ("admonition" if self._admonitions else "list")
            self._page.add(Piece(kind, "\n".join(self._pending), self._pending_line))
            self._pending.clear()
        self._pending_line = 0


def _text(element: _Element | None) -> str:
    return " ".join("".join(map(str, element.itertext())).split()) if element is not None else ""


def _line(element: _Element) -> int:
    # libxml2 counts lines of HTML in 16 bits.
    line = element.sourceline
    return line if isinstance(line, int) and line < _UNKNOWN_FROM_LINE else 0


def _visible_text(element: _Element) -> Iterator[str]:
    if len(element) == 0:
        yield element.text or ""
        return
    walk = etree.iterwalk(element, events=("start", "end"))
    skipped: _Element | None = None
    for event, node in walk:
        if event == "start":
            hidden = node is not element and (
                not isinstance(node.tag, str) or node.tag in NEVER_SHOWN or is_hidden(node) or is_boilerplate(node)
            )
            if hidden:
                skipped = node
                walk.skip_subtree()
                continue
            if node.tag in _CELL_BREAKS:
                yield " "
            if node.text:
                yield node.text
        else:
            if node is not skipped and node.tag in _CELL_BREAKS:
                yield " "
            if node is not element and node.tail:
                yield node.tail


def _raw_text(element: _Element) -> str:
    parts: list[str] = []
    for event, node in (walk := etree.iterwalk(element, events=("start", "end"))):
        if event == "start":
            if node is not element and (not isinstance(node.tag, str) or is_boilerplate(node) or is_hidden(node)):
                walk.skip_subtree()
                continue
            parts.append("\n" if node.tag == "br" else node.text or "")
        elif node is not element:
            parts.append(node.tail or "")
    return "".join(parts).strip("\n")


def _language(element: _Element) -> str:
    code = element.find(".//code")
    nodes = [element, *([code] if code is not None else []), *islice(element.iterancestors(), 2)]
    for node in nodes:
        if node.get("data-lang") or node.get("data-language"):
            return node.get("data-lang") or node.get("data-language") or ""
        for name in (node.get("class") or "").split():
            for prefix in ("language-", "lang-", "highlight-source-", "highlight-", "brush:"):
                if name.startswith(prefix) and name not in ("highlight-default", "language-none", "highlight-none"):
                    return name.removeprefix(prefix)
    return ""


def _is_layout(element: _Element) -> bool:
    """A table that arranges a page rather than data: with tables, headings or code in it, or text outside its cells."""
    for node in element.iter():
        if node.tag in _NOT_IN_DATA_TABLES and node is not element:
            return True
        if node.tag in _ROW_PARTS and node.text and not node.text.isspace():
            return True
        parent = node.getparent()
        if node is not element and parent is not None and parent.tag in _ROW_PARTS:
            if node.tail and not node.tail.isspace():
                return True
            if node.tag in ("td", "th") and parent.tag != "tr":
                return True
    return False


def _table(element: _Element) -> Iterator[Piece]:
    caption = element.find("caption")
    if caption is not None:
        yield Piece("paragraph", " ".join("".join(_visible_text(caption)).split()), _line(caption))
    rows: list[list[str]] = []
    header_rows = 0
    for row in element.iter("tr"):
        if is_hidden(row):
            continue
        cells = [cell for cell in row if cell.tag in ("td", "th") and not is_hidden(cell)]
        texts = ["".join(_visible_text(cell)) for cell in cells]
        if not any(text.strip() for text in texts):
            continue
        parent = row.getparent()
        in_head = parent is not None and parent.tag == "thead"
        if len(rows) == header_rows and (
            in_head or (not rows and len(cells) > 1 and all(c.tag == "th" for c in cells))
        ):
            header_rows += 1
        rows.append(texts)
    yield table(rows, header_rows=header_rows, line=_line(element))
