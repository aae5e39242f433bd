"""HTML as a tree: text can only ever be text, because nothing here writes a tag by hand.

The page allows itself exactly its own style and its own script (by hash, in a Content-Security-Policy), and nothing
else: no request, no image but the empty icon, no form. Source: W3C, Content Security Policy Level 3.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tercet.evals.wording import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Child = ET.Element | str | None
"""What may stand inside an element; None is nothing."""


def element(tag: str, *children: Child, **attributes: object) -> ET.Element:
    """An element with its children.

    Args:
        tag: Its name.
        children: Elements, and text that is shown as it is.
        attributes: An underscore stands for a hyphen, and one at the end is left out (``class_``). None, or False,
            is no attribute; True is one without a value.

    Example:
        >>> ET.tostring(element("p", "a < b ", element("b", "<i>"), class_="x", data_value=2), encoding="unicode")
        '<p class="x" data-value="2">a &lt; b <b>&lt;i&gt;</b></p>'
    """
    made = ET.Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            made.set(name.rstrip("_").replace("_", "-"), "" if value is True else clean(str(value)))
    for child in children:
        if isinstance(child, str):
            _add_text(made, clean(child))
        elif child is not None:
            made.append(child)
    return made


def _add_text(parent: ET.Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def page(title: str, *body: Child) -> str:
    """A whole document around a body."""
    style, script = (files("tercet.evals.report").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        _raw("style", style),
    )
    document = element("html", head, element("body", element("main", *body), _raw("script", script)), lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(document, encoding="unicode", method="html") + "\n"


def _raw(tag: str, own_text: str) -> ET.Element:
    """The serializer writes these two elements' text unescaped: only files of this package may come here."""
    made = ET.Element(tag)
    made.text = own_text
    return made


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(sha256(text.encode()).digest()).decode()


def section(title: str, *children: Child, note: str = "", anchor: str | None = None) -> ET.Element:
    """A part of the page with its heading."""
    return element(
        "section", element("h2", title), element("p", note, class_="note") if note else None, *children, id=anchor
    )


def card(*children: Child, kind: str = "") -> ET.Element:
    """A framed part of a section."""
    return element("div", *children, class_=f"card {kind}".strip())


def grid(cards: Iterable[ET.Element], kind: str = "") -> ET.Element:
    """Cards side by side, as many as fit."""
    return element("div", *cards, class_=f"grid {kind}".strip())


class Cell:
    """A cell of a table: what is shown, and what it is sorted by."""

    def __init__(self, *shown: Child, value: float | str | None = None, number: bool = False) -> None:
        self.shown = shown
        self.value = value
        self.number = number


def table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[Cell | str]], *, sortable: bool = False
) -> ET.Element:
    """A table that scrolls by itself where the screen is narrow; its first column names the row."""
    listed = list(rows)
    numbers = {place for row in listed for place, one in enumerate(row) if isinstance(one, Cell) and one.number}
    heads = (
        element("th", name, scope="col", class_="number" if place in numbers else None)
        for place, name in enumerate(header)
    )
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *heads)),
            element("tbody", *(element("tr", *_cells(row)) for row in listed)),
            class_="sortable" if sortable else None,
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def _cells(row: Sequence[Cell | str]) -> Iterable[ET.Element]:
    for place, one in enumerate(row):
        cell = one if isinstance(one, Cell) else Cell(one)
        attributes = {"class_": "number" if cell.number else None, "data_value": cell.value}
        if place == 0:
            yield element("th", *cell.shown, scope="row", **attributes)
        else:
            yield element("td", *cell.shown, **attributes)


def details(summary: str, *children: Child) -> ET.Element:
    """A part that opens when asked."""
    return element("details", element("summary", summary), *children)


def facts(pairs: Iterable[tuple[str, Child]]) -> ET.Element:
    """Names and what they stand for."""
    parts: list[Child] = []
    for name, value in pairs:
        parts.append(element("div", element("dt", name), element("dd", value)))
    return element("dl", *parts, class_="facts")
