"""Parsers: the bytes of a file to clean text with blocks.

``parse`` decodes, normalises line ends, takes out hidden characters (``tercet.sanitize``) and hands the text to the
parser of the file's suffix. What a parser promises:

* Blocks ascend, do not overlap and lie inside the text. What no block covers (front matter, link reference
  definitions, the end marker of a container) is not worth retrieving.
* A heading block covers its own line. It may also be empty (``start == end``): pure structure, such as the class that a
  method's code belongs to; its text is then in no heading line, and nothing of it is to be emitted.
* A fence or table is a block of its own wherever it is nested: a list or admonition around it becomes the block
  before it and the block after it. Other kinds therefore hold nothing that must not be cut at a line.
* Markdown, plain text and code keep the source (``verbatim``): offsets and lines are those of the file, less what was
  taken out. The others are rendered to Markdown-like text: ``Block.line`` of reStructuredText and HTML points into the
  file, that of a notebook is the number of the cell, and Word documents have none.
* A PDF is rendered too; it has pages in place of lines, and the anchors of its headings are ``page=12``.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol, cast

from tercet.errors import ParseError
from tercet.ingestion.parsers.decoding import decode
from tercet.records import Finding, ParsedDocument
from tercet.sanitize import sanitize
from tercet.settings import ParsingConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from tercet.ingestion.parsers.anchors import SlugRule
    from tercet.ingestion.publishing.includes import Includer

PARSERS_VERSION = "2"
"""Raised whenever a parser makes another text or other blocks of the same file, so that files are parsed again."""

FORMATS = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "mdx",
    ".rst": "rst",
    ".adoc": "asciidoc",
    ".asciidoc": "asciidoc",
    ".html": "html",
    ".htm": "html",
    ".txt": "text",
    ".text": "text",
    ".py": "python",
    ".docx": "docx",
    ".ipynb": "notebook",
    ".pdf": "pdf",
}
"""Suffix, in lower case, to the module that parses it; README, LICENSE and the like need no suffix.

After a colon stands what the module is told beside the text: ``source`` parses many languages.
"""

SOURCES = {
    "bash": ".sh .bash",
    "c": ".c .h",
    "cpp": ".cc .cpp .cxx .hh .hpp",
    "csharp": ".cs",
    "go": ".go",
    "java": ".java",
    "javascript": ".js .mjs .cjs .jsx",
    "kotlin": ".kt .kts",
    "lua": ".lua",
    "php": ".php",
    "r": ".r",
    "ruby": ".rb",
    "rust": ".rs",
    "scala": ".scala .sc",
    "sql": ".sql",
    "swift": ".swift",
    "tsx": ".tsx",
    "typescript": ".ts .mts .cts",
}
"""Programming language to the suffixes of its files; one without a grammar is cut at blank lines."""

FORMATS |= {suffix: f"source:{language}" for language, suffixes in SOURCES.items() for suffix in suffixes.split()}

_PLAIN_NAMES = frozenset(
    {"readme", "license", "licence", "copying", "notice", "changelog", "changes", "authors", "news"}
)


BINARY = frozenset({"docx", "pdf"})
"""Parsers that read bytes themselves; the others are given decoded, sanitized text."""


_OPTIONS: dict[str, Callable[[ParsingConfig], dict[str, object]]] = {
    "notebook": lambda config: {"outputs": config.notebook_outputs},
}
"""What parsers have to be told beside the content."""


_WITH_ANCHORS = frozenset({"markdown", "mdx", "rst"})
"""Parsers that make anchors of titles; in the others pages say them."""


class _Parser(Protocol):
    def parse(self, content: str | bytes, *told: str, **options: object) -> ParsedDocument: ...


def format_of(name: str) -> str | None:
    """Name the parser for a file, or None when its suffix is not supported.

    Example:
        >>> format_of("guide/Intro.MD"), format_of("LICENSE"), format_of("logo.png")
        ('markdown', 'text', None)
    """
    path = PurePath(name)
    if not path.suffix and path.name.lower() in _PLAIN_NAMES:
        return "text"
    return FORMATS.get(path.suffix.lower())


def parse(
    data: bytes,
    *,
    name: str,
    config: ParsingConfig | None = None,
    slugs: SlugRule = "github",
    includer: Includer | None = None,
) -> ParsedDocument:
    """Turn one file into clean text and blocks.

    Args:
        data: The file's content.
        name: The file's name or path; only its suffix is used, and it is named in errors.
        config: What to take from the file; None: the defaults.
        slugs: How the page's publisher makes anchors of headings.
        includer: Puts the text of other files in where the page asks for it; None: nothing is included.

    Raises:
        ParseError: The format is not supported, the content is binary, or the parser cannot read it.

    Example:
        >>> parse(b"# Keys\\n\\nRotate them.", name="keys.md").title
        'Keys'
    """
    named = format_of(name)
    if named is None:
        raise ParseError(
            f"{name}: no parser for this kind of file.",
            remedy=f"Supported are {', '.join(FORMATS)}. Convert the file, or exclude it.",
        )
    kind, *told = named.split(":")
    content: str | bytes = data
    findings: tuple[Finding, ...] = ()
    lines: list[int] | None = None
    if kind not in BINARY:
        text, guesses = decode(data, kind=kind, name=name)
        content, hidden = sanitize(text)
        findings = (*guesses, *hidden)
        if includer is not None:
            content, lines = includer.expand(content)
            findings = (*findings, *includer.findings())
        if not content.strip():
            return ParsedDocument(text=content, blocks=(), findings=findings)
    parser = cast("_Parser", import_module(f"tercet.ingestion.parsers.{kind}"))
    options = _OPTIONS[kind](config or ParsingConfig()) if kind in _OPTIONS else {}
    if kind in _WITH_ANCHORS:
        options["slugs"] = slugs
    try:
        document = parser.parse(content, *told, **options)
    except ParseError as error:
        raise ParseError(f"{name}: {error.message}", remedy=error.remedy) from error
    except (RecursionError, MemoryError) as error:
        raise ParseError(
            f"{name}: the content is nested too deeply to be parsed.", remedy="Simplify the file, or exclude it."
        ) from error
    if lines is not None:
        document = _on_lines(document, lines)
    return replace(document, findings=(*findings, *document.findings)) if findings else document


def _on_lines(document: ParsedDocument, lines: list[int]) -> ParsedDocument:
    """The document of a page with included files: its blocks name the lines of the page itself."""
    blocks = (
        replace(block, line=lines[block.line - 1] if 0 < block.line <= len(lines) else 0) for block in document.blocks
    )
    return replace(document, blocks=tuple(blocks), verbatim=False)
