"""Which part of an HTML page is its content: main area, boilerplate, hidden elements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxml import etree

from tercet.ingestion.parsers.visibility import HIDING_ATTRIBUTES, hides

if TYPE_CHECKING:
    from lxml.etree import _Element

NEVER_SHOWN = frozenset(
    (
        "script",
        "style",
        "template",
        "noscript",
        "head",
        "svg",
        "canvas",
        "iframe",
        "object",
        "embed",
        "audio",
        "video",
        "map",
        "select",
        "button",
        "input",
        "textarea",
        "datalist",
        "noframes",
    )
)
"""Elements without text for readers, or with text for controls only."""

_BOILERPLATE_TAGS = frozenset({"nav", "footer", "aside", "menu", "dialog"})
_BOILERPLATE_ROLES = frozenset(
    {
        "navigation",
        "banner",
        "contentinfo",
        "complementary",
        "search",
        "menu",
        "menubar",
        "toolbar",
        "dialog",
        "alertdialog",
    }
)
_BOILERPLATE_NAMES = re.compile(
    r"(?:^|\s)(?:(?:site|page|main|top|global|md|bd|theme-doc|sphinx|wy|docs?|article|blog)?[-_]{0,2}"
    r"(?:nav|navbar|navigation|nav-side|sidebar\w*|footer|toc|toctree-wrapper|breadcrumbs?|menu|pagination\w*|cookie\w*)"
    r"|breadcrumbs?[-_]\w+|cookie[-_]\w+|(?:gdpr|consent)[-_\w]*|sphinxsidebar|headerlink|anchor-?link|hash-link"
    r"|skip(?:-?to)?-?(?:link|content|nav|main)|related|rst-footer-buttons|edit-(?:this-)?page\w*|editsection|mw-editsection"
    r"|prev-next-\w+|newsletter\w*|social\w*|share-?\w*|advert\w*|linenos?|lineno|linenodiv|gutter|copy-?btn|copybutton)"
    r"(?:$|\s)",
    re.IGNORECASE,
)
_ADMONITION = re.compile(
    r"(?:^|\s)(?:admonition\w*|theme-admonition|alert|callout|notecard|markdown-alert|custom-block|admonitionblock)(?:$|[\s-])",
    re.IGNORECASE,
)
_CONTAINERS = frozenset(
    {"div", "section", "ul", "ol", "p", "a", "span", "aside", "td", "header", "form", "nav", "details"}
)
_CONTENT_OF_FORM = (".//h1", ".//h2", ".//h3", ".//article", ".//main", ".//pre")


def is_admonition(element: _Element) -> bool:
    """Whether an element is a note, warning or the like set apart from the text."""
    return element.tag in ("div", "aside", "section", "blockquote", "details") and (
        _ADMONITION.search(element.get("class") or "") is not None
    )


def is_hidden(element: _Element) -> bool:
    """Whether the element's own attributes keep it from sight."""
    attributes = element.items()
    return any(name in HIDING_ATTRIBUTES for name, _ in attributes) and hides(
        {str(name): str(value) for name, value in attributes}
    )


def is_boilerplate(element: _Element) -> bool:
    """Whether an element is there to get around the site rather than to be read."""
    tag = element.tag
    if tag in _BOILERPLATE_TAGS:
        return not is_admonition(element) and "footnote" not in (element.get("class") or "")
    if tag == "header":
        return element.find(".//h1") is None
    if tag == "form":
        return all(element.find(path) is None for path in _CONTENT_OF_FORM)
    return tag in _CONTAINERS and _is_named_boilerplate(element)


def _is_named_boilerplate(element: _Element) -> bool:
    if (element.get("role") or "") in _BOILERPLATE_ROLES:
        return True
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    return names != " " and _BOILERPLATE_NAMES.search(names) is not None and element.find(".//h1") is None


def main_content(root: _Element) -> _Element:
    """The element to render: ``main``, ``role="main"`` or the only ``article``, unless it holds next to nothing."""
    body = root.find(".//body")
    whole = body if body is not None else root
    candidates = [element for element in root.iter("main", "article", "div", "section") if _is_main(element)]
    mains = [element for element in candidates if element.tag == "main" or element.get("role") == "main"]
    articles = [element for element in candidates if element.tag == "article"]
    chosen = mains[0] if mains else articles[0] if len(articles) == 1 else None
    if chosen is None or _length(chosen) < min(200, _length(whole) // 10):
        return whole
    return chosen


def _is_main(element: _Element) -> bool:
    return element.tag in ("main", "article") or element.get("role") == "main"


def _length(element: _Element) -> int:
    return len(etree.tostring(element, method="text", encoding="unicode", with_tail=False))
