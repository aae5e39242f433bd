"""reStructuredText: read by docutils, rendered to Markdown-like text.

Nothing outside the file is read: no includes, no raw output, no network. Sphinx's roles and directives are understood
without Sphinx; see ``rst_states``.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING

from docutils import frontend, nodes
from docutils.utils import new_document

from tercet.ingestion.parsers.front_matter import as_title
from tercet.ingestion.parsers.headings import title_of
from tercet.ingestion.parsers.rendering import Piece, RenderedPage, around_code, fenced, table
from tercet.ingestion.parsers.rst_states import TolerantParser, Tolerated
from tercet.ingestion.parsers.text import paragraphs
from tercet.records import Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tercet.ingestion.parsers.anchors import SlugRule

_SKIPPED = (
    nodes.comment,
    nodes.substitution_definition,
    nodes.target,
    nodes.transition,
    nodes.pending,
    nodes.raw,
    nodes.decoration,
    nodes.meta,
    nodes.title,
)
_LANGUAGES = {nodes.math_block: "math", nodes.doctest_block: "python"}


def parse(text: str, *, slugs: SlugRule = "github") -> ParsedDocument:
    """Render sanitized reStructuredText.

    A file that docutils itself fails on is read as plain paragraphs, with a finding ``rst-error``.

    Args:
        text: The page.
        slugs: ``"docutils"`` where Sphinx publishes it: it numbers the anchors of equal titles in a way of its own.

    Example:
        >>> parse("Keys\\n====\\n\\nSee :class:`~shop.Key`.").text
        '# Keys\\n\\nSee Key.'
    """
    settings = copy.copy(_settings())
    settings.tolerated = tolerated = Tolerated()
    if slugs == "docutils":
        settings.auto_id_prefix = "id"
    document = new_document("<document>", settings)
    try:
        TolerantParser().parse(text, document)
        return _Renderer(document, tolerated).render()
    except Exception as error:  # docutils' own faults on odd input are of any type
        finding = Finding(kind="rst-error", detail=f"read as plain text: {type(error).__name__}")
        return ParsedDocument(text=text, blocks=tuple(paragraphs(text)), findings=(finding,))


@cache
def _settings() -> frontend.Values:
    settings = frontend.get_default_settings(TolerantParser)
    settings.file_insertion_enabled = False
    settings.raw_enabled = False
    settings.halt_level = settings.report_level = 5
    settings.warning_stream = False
    settings.syntax_highlight = "none"
    settings.smart_quotes = False
    settings.line_length_limit = 10_000_000
    return settings


class _Renderer:
    def __init__(self, document: nodes.document, tolerated: Tolerated) -> None:
        self._document = document
        self._tolerated = tolerated
        self._page = RenderedPage()
        self._anchor = ""

    def render(self) -> ParsedDocument:
        metadata = dict(self._tolerated.metadata)
        children = [node for node in self._document.children if not isinstance(node, nodes.comment)]
        if children and isinstance(children[0], nodes.field_list):
            for field in children.pop(0).children:
                name, body = field.children
                if body.astext().strip():
                    metadata[name.astext()] = " ".join(body.astext().split())
        self._section(children, level=0)
        title = as_title(metadata) or title_of(self._page.blocks)
        return self._page.document(title=title, metadata=metadata, findings=self._tolerated.findings())

    def _section(self, children: Iterable[nodes.Node], *, level: int) -> None:
        for node in children:
            if isinstance(node, nodes.target) and "refuri" not in node:
                self._anchor = node.get("refid") or next(iter(node.get("ids", ())), "")
            elif isinstance(node, nodes.section):
                title = node.next_node(nodes.title)
                anchor = self._anchor or next(iter(node["ids"]), "")
                line = (title.line or 0) if title is not None else 0
                self._page.heading(
                    self._inline(title) if title else "", level=min(level + 1, 6), anchor=anchor, line=max(line - 1, 0)
                )
                self._anchor = ""
                self._section(node.children, level=level + 1)
            else:
                for piece in self._block(node):
                    self._page.add(piece)
                    self._anchor = ""

    def _blocks(self, children: Iterable[nodes.Node]) -> Iterator[Piece]:
        for node in children:
            yield from self._block(node)

    def _block(self, node: nodes.Node) -> Iterator[Piece]:
        line = _line(node)
        if isinstance(node, _SKIPPED):
            return
        if isinstance(node, nodes.Text | nodes.Inline):
            yield Piece("paragraph", self._inline(node), line)
        elif isinstance(node, (nodes.literal_block, nodes.doctest_block, nodes.math_block)):
            language = node.get("language") or _LANGUAGES.get(type(node), "")
            yield fenced(node.astext(), language, line=line)
        elif isinstance(node, (nodes.paragraph, nodes.rubric, nodes.attribution, nodes.caption, nodes.subtitle)):
            yield Piece("paragraph", self._inline(node), line)
        elif isinstance(node, (nodes.bullet_list, nodes.enumerated_list)):
            yield from around_code("list", self._list(node), line=line)
        elif isinstance(node, (nodes.definition_list, nodes.field_list, nodes.option_list)):
            yield from around_code("list", self._definitions(node), line=line)
        elif isinstance(node, nodes.table):
            yield from self._table(node)
        elif isinstance(node, nodes.Admonition):
            yield from around_code("admonition", self._admonition(node), line=line)
        elif isinstance(node, nodes.line_block):
            yield Piece("paragraph", "\n".join(self._inline(child) for child in node.findall(nodes.line)), line)
        else:
            yield from self._rare_block(node, line)

    def _rare_block(self, node: nodes.Node, line: int) -> Iterator[Piece]:
        if isinstance(node, (nodes.footnote, nodes.citation)):
            label = " ".join(child.astext() for child in node.children if isinstance(child, nodes.label))
            body = list(self._blocks(child for child in node.children if not isinstance(child, nodes.label)))
            yield from around_code("paragraph", _hanging(f"[{label}] " if label else "", body))
        elif isinstance(node, nodes.image):
            yield Piece("paragraph", node.get("alt", ""), line)
        elif isinstance(node, nodes.system_message):
            yield from self._lost(node)
        elif isinstance(node, nodes.Element):
            title = next((child for child in node.children if isinstance(child, nodes.title)), None)
            if title is not None:
                yield Piece("paragraph", self._inline(title), line)
            yield from self._blocks(node.children)

    def _lost(self, message: nodes.system_message) -> Iterator[Piece]:
        # What docutils could not read, such as a malformed table, it hands back as a literal block of an error.
        if message["level"] >= 3:
            self._tolerated.errors += 1
            for child in message.children:
                if isinstance(child, nodes.literal_block):
                    yield Piece("paragraph", child.astext(), _line(message))

    def _list(self, node: nodes.Element) -> Iterator[Piece]:
        number = int(node.get("start", 1))
        for item in node.children:
            marker = f"{number}. " if isinstance(node, nodes.enumerated_list) else "- "
            yield from _hanging(marker, list(self._block_children(item)), line=_line(item))
            number += 1

    def _block_children(self, node: nodes.Node) -> Iterator[Piece]:
        yield from self._blocks(node.children)

    def _definitions(self, node: nodes.Element) -> Iterator[Piece]:
        for item in node.children:
            terms: list[str] = []
            body: list[nodes.Node] = []
            for child in item.children:
                if isinstance(child, (nodes.term, nodes.classifier, nodes.field_name, nodes.option_group)):
                    terms.append(self._inline(child))
                else:
                    body.extend(child.children)
            pieces = list(self._blocks(body))
            if isinstance(node, nodes.field_list):
                yield from _hanging(f"{terms[0]}: " if terms else "", pieces, line=_line(item), indent=2)
            else:
                yield Piece("list", " : ".join(terms), _line(item))
                yield from _hanging("    ", pieces)

    def _admonition(self, node: nodes.Node) -> Iterator[Piece]:
        title = next((child for child in node.children if isinstance(child, nodes.title)), None)
        label = self._inline(title) if title is not None else type(node).__name__.capitalize()
        pieces = list(self._blocks(node.children))
        yield from _hanging(f"{label}: " if pieces else label, pieces, line=_line(node), indent=0)

    def _table(self, node: nodes.table) -> Iterator[Piece]:
        title = next((child for child in node.children if isinstance(child, nodes.title)), None)
        if title is not None:
            yield Piece("paragraph", self._inline(title), _line(node))
        rows: list[list[str]] = []
        header_rows = 0
        for row in node.findall(nodes.row):
            header_rows += isinstance(row.parent, nodes.thead)
            rows.append([" ".join(piece.text for piece in self._blocks(entry.children)) for entry in row.children])
        yield table(rows, header_rows=header_rows, line=_line(node))

    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            return node.astext()
        if isinstance(node, nodes.literal):
            return f"`{node.astext()}`"
        if isinstance(node, nodes.image):
            return str(node.get("alt", ""))
        if isinstance(node, (nodes.system_message, nodes.raw, nodes.footnote_reference)):
            return ""
        if isinstance(node, nodes.substitution_reference):
            name = node.get("refname", node.astext())
            definition = self._document.substitution_defs.get(name)
            return definition.astext() if definition is not None else node.astext()
        return "".join(self._inline(child) for child in node.children)


def _hanging(marker: str, pieces: list[Piece], *, line: int = 0, indent: int | None = None) -> Iterator[Piece]:
    """Put a marker before the first line of an item and indent its other lines; code and tables stay as they are."""
    margin = " " * (len(marker) if indent is None else indent)
    if not pieces or pieces[0].kind in ("code", "table"):
        if marker.strip():
            yield Piece("list", marker.rstrip(), line)
        marker = margin
    for piece in pieces:
        if piece.kind in ("code", "table"):
            yield piece
            continue
        first, *rest = piece.text.split("\n")
        text = "\n".join([marker + first, *(margin + other if other else "" for other in rest)])
        yield Piece(piece.kind, text, piece.line or line)
        marker = margin


def _line(node: nodes.Node) -> int:
    current: nodes.Node | None = node
    while current is not None:
        if current.line:
            return int(current.line)
        current = current.children[0] if current.children else None
    return 0
