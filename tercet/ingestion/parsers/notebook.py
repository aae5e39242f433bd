"""Jupyter notebooks (.ipynb, formats 3 and 4): Markdown cells as pages, code cells as fenced code.

Each cell is parsed by itself, so that an open fence in one cannot swallow the next.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from tercet.errors import ParseError
from tercet.ingestion.parsers import html, markdown
from tercet.ingestion.parsers.headings import title_of
from tercet.ingestion.parsers.rendering import fenced
from tercet.records import Block, Finding, ParsedDocument
from tercet.sanitize import sanitize

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TABLE = re.compile(r"<table\b", re.IGNORECASE)
LONGEST_OUTPUT = 20_000
"""Characters of one output that are kept: logs of a training run answer no question."""


def parse(text: str, *, outputs: bool = False) -> ParsedDocument:
    """Read the cells of a notebook in order; ``Block.line`` is the number of the cell, from 1.

    Args:
        text: The notebook's JSON.
        outputs: Take the outputs of code cells too: printed text, results, tables, the names of errors; never images.

    Raises:
        ParseError: It is no JSON, or no notebook of format 3 or 4.

    Example:
        >>> cells = [{"cell_type": "markdown", "source": ["# Keys"]}, {"cell_type": "code", "source": "rotate()"}]
        >>> parse(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells})).text
        '# Keys\\n\\n```\\nrotate()\\n```'
    """
    notebook, cells = _read(text)
    language = _language(notebook)
    page, broken = _Page(), 0
    for number, cell in enumerate(cells, 1):
        source = _joined(cell.get("source", cell.get("input"))) if isinstance(cell, dict) else None
        if source is None:
            broken += 1
            continue
        match cell.get("cell_type"):
            case "markdown":
                page.add(markdown.parse(_clean(source)), number)
            case "heading":  # format 3
                level = cell.get("level")
                page.add(markdown.parse(f"{'#' * (level if level in range(1, 7) else 1)} {_clean(source)}"), number)
            case "code":
                page.add_code(source, str(cell.get("language") or language), number)
                if outputs:
                    for output in _list(cell.get("outputs")):
                        page.add_output(output, number)
            case "raw":  # for a converter, such as LaTeX; not shown in the notebook as text
                continue
            case _:
                broken += 1
    findings = (Finding(kind="invalid-cell", count=broken),) if broken else ()
    return page.document(metadata={"language": language} if language else {}, findings=findings)


def _read(text: str) -> tuple[dict[str, Any], list[Any]]:
    try:
        notebook = json.loads(text)
    except ValueError as error:
        raise ParseError(
            f"the notebook is no JSON ({error}).", remedy="Open and save it in Jupyter, or exclude it."
        ) from error
    if isinstance(notebook, dict):
        cells = notebook.get("cells")
        if cells is None and isinstance(notebook.get("worksheets"), list):  # format 3
            sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
            cells = [cell for sheet in sheets for cell in _list(sheet.get("cells"))]
        if isinstance(cells, list):
            return notebook, cells
    raise ParseError(
        "the file is JSON, but no notebook of format 3 or 4 (it has no list of cells).",
        remedy="Convert it with `jupyter nbconvert --to notebook`, or exclude it.",
    )


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    for key in ("language_info", "kernelspec"):
        part = metadata.get(key)
        if isinstance(part, dict):
            name = part.get("name" if key == "language_info" else "language")
            if isinstance(name, str):
                return name
    return ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(value: object) -> str | None:
    """Text that the format allows as one string or as a list of lines; None when it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return None


def _clean(text: str) -> str:
    """JSON escapes can stand for hidden characters, so text is sanitized once more."""
    return sanitize(text.replace("\r\n", "\n").replace("\r", "\n"))[0]


class _Page:
    """Cells put one below the other."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._findings: list[Finding] = []
        self._length = 0
        self._title = ""

    def add(self, cell: ParsedDocument, number: int) -> None:
        """Append what a cell became."""
        self._findings.extend(cell.findings)
        text = cell.text.rstrip()
        if not text:
            return
        start = self._length + 2 if self._parts else 0
        self._parts.append(text)
        self._length = start + len(text)
        for block in cell.blocks:
            self._blocks.append(
                replace(
                    block,
                    start=start + block.start,
                    end=start + min(block.end, len(text)),
                    lead_end=start + block.lead_end if block.kind in ("code", "table") else 0,
                    anchor=block.title.replace(" ", "-") if block.kind == "heading" else "",  # as Jupyter makes them
                    line=number,
                )
            )
        self._title = self._title or cell.title

    def add_code(self, code: str, language: str, number: int) -> None:
        """Append code in a fence."""
        self.add(markdown.parse(fenced(_clean(code), language).text), number)

    def add_output(self, output: object, number: int) -> None:
        """Append an output of a code cell, as far as it is text."""
        if not isinstance(output, dict):
            return
        data = output.get("data", output)
        page = _joined(data.get("text/html")) if isinstance(data, dict) else None
        if page is not None and _TABLE.search(page):  # a data frame: as rows rather than as aligned columns
            self.add(html.parse(_clean(page)[:LONGEST_OUTPUT]), number)
            return
        text = next(
            (found for key in ("text", "text/plain") if isinstance(data, dict) and (found := _joined(data.get(key)))),
            f"{output.get('ename')}: {output.get('evalue')}" if output.get("ename") else "",
        )
        self.add_code(_COLOURS.sub("", text)[:LONGEST_OUTPUT], "", number)

    def document(self, *, metadata: dict[str, str], findings: tuple[Finding, ...]) -> ParsedDocument:
        """The finished notebook."""
        return ParsedDocument(
            text="\n\n".join(self._parts),
            blocks=tuple(self._blocks),
            title=title_of([block for block in self._blocks if block.kind == "heading"]) or self._title,
            metadata=metadata,
            findings=(*findings, *self._findings),
            verbatim=False,
        )
