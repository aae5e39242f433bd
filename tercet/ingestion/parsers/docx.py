"""Word documents (.docx): mammoth turns one into HTML, and the HTML parser does the rest.

Before that, the document's own XML is put right for retrieval: hidden text goes, equations become text, and paragraph
styles that stand in Word's outline count as headings whatever they are called.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.parsers.expat import ExpatError

import mammoth
from lxml import etree

from tercet.errors import ParseError
from tercet.ingestion.parsers import html
from tercet.records import Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

MAX_XML_BYTES = 200_000_000
"""Of all the parts that are read, unpacked: what is larger is an archive made to fill the memory."""

_TEXT_PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")
_STYLES = "word/styles.xml"
_READ = re.compile(r"\[Content_Types\]\.xml|(?:word/)?_rels/[^/]+\.rels|word/[^/]+\.xml")
_OLE = b"\xd0\xcf\x11\xe0"
_CODE_STYLES = ("HTML Preformatted", "Code", "Source Code", "Code Block", "Macro Text", "macro", "Plain Text")
_OFF = frozenset({"0", "false", "off"})
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError),
    etree.XMLSyntaxError,
)
"""What the readers of archives and XML raise for damaged, encrypted and odd ones."""
_TINY_HALF_POINTS = 2
_WHITE = frozenset({"FFFFFF", "FEFEFE"})
_SHADED = "ancestor-or-self::*/*[contains(local-name(), 'Pr')]/*[local-name()='shd' or local-name()='highlight']"


def parse(content: bytes) -> ParsedDocument:
    """Render a Word document: headings, lists, tables, notes, text boxes and equations.

    Headers and footers, comments and deleted text of tracked changes are left out. Hidden text (the font attribute, a
    size of one point or less, white on nothing) is left out and counted in a finding.

    Raises:
        ParseError: It is no Word document, is encrypted, damaged, or unpacks to more than 200 MB.
    """
    package, styles, hidden = _prepared(content)
    try:
        page = mammoth.convert_to_html(
            package,
            style_map="\n".join(_style_map(styles)),
            convert_image=mammoth.images.img_element(lambda _image: {}),
            include_embedded_style_map=False,  # a document may not say how it is read
            external_file_access=False,
        ).value
    except (KeyError, ValueError, AttributeError, IndexError, TypeError, ExpatError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error
    document = html.parse(f"<main>{page}</main>")
    metadata, title = _properties(content)
    findings = document.findings
    if hidden:
        findings = (Finding(kind="hidden-text", count=hidden), *findings)
    return replace(document, title=document.title or title, metadata=metadata, findings=findings)


def _prepared(content: bytes) -> tuple[io.BytesIO, _Element | None, int]:
    """The package with its text parts put right, its styles, and how many hidden runs were taken out."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            parts = package.infolist()
            names = {part.filename for part in parts}
            if _TEXT_PARTS[0] not in names:
                raise ParseError("the file is no Word document.", remedy="Exclude it, or give it its real suffix.")
            wanted = [part for part in parts if _READ.fullmatch(part.filename)]
            if sum(part.file_size for part in wanted) > MAX_XML_BYTES:
                raise ParseError(
                    f"the document unpacks to more than {MAX_XML_BYTES // 1_000_000} MB.", remedy="Exclude it."
                )
            styles = _xml(package.read(_STYLES)) if _STYLES in names else None
            hiding = _hiding_styles(styles)
            hidden, copy = 0, io.BytesIO()
            with zipfile.ZipFile(copy, "w") as prepared:
                for part in wanted:
                    data = package.read(part)
                    root = _xml(data)
                    if root.getroottree().docinfo.doctype:  # type: ignore[attr-defined]  # not in the stub
                        # Office writes none, and entities could fill the memory.
                        raise _damaged(f"{part.filename} declares a document type")
                    if part.filename in _TEXT_PARTS:
                        hidden += _take_out_hidden(root, hiding)
                        _spell_out_equations(root)
                        data = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
                    prepared.writestr(part.filename, data)
    except _UNREADABLE as error:
        if content.startswith(_OLE):
            raise ParseError(
                "the document is encrypted, or in the old .doc format.",
                remedy="Save it as .docx without a password, or exclude it.",
            ) from error
        raise _damaged(str(error)) from error
    copy.seek(0)
    return copy, styles, hidden


def _damaged(reason: str) -> ParseError:
    return ParseError(f"the document is damaged ({reason}).", remedy="Open and save it again, or exclude it.")


def _xml(data: bytes) -> _Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
    return etree.fromstring(data, parser)


def _local(element: _Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _child(element: _Element | None, name: str) -> _Element | None:
    """The first child of a local name: transitional and strict documents differ in their namespaces."""
    return None if element is None else next((child for child in element if _local(child) == name), None)


def _value(element: _Element | None) -> str:
    """The ``val`` attribute, whatever its namespace."""
    if element is None:
        return ""
    return next((str(value) for key, value in element.attrib.items() if str(key).rpartition("}")[2] == "val"), "")


def _is_on(element: _Element | None) -> bool:
    return element is not None and _value(element) not in _OFF


# -- styles ----------------------------------------------------------------------------------------------------------


def _styles_of(styles: _Element | None) -> Iterator[tuple[str, str, _Element]]:
    """Id, name and element of each style."""
    for style in styles if styles is not None else ():
        if _local(style) == "style":
            identity = next((str(value) for key, value in style.attrib.items() if str(key).endswith("styleId")), "")
            yield identity, _value(_child(style, "name")), style


def _hiding_styles(styles: _Element | None) -> frozenset[str]:
    return frozenset(
        identity for identity, _, style in _styles_of(styles) if _is_on(_child(_child(style, "rPr"), "vanish"))
    )


def _style_map(styles: _Element | None) -> Iterator[str]:
    """Rules of mammoth's style language that go before its own."""
    yield "p[style-name='Title'] => h1:fresh"
    for name in _CODE_STYLES:
        yield f"p[style-name='{name}'] => pre:separator('\\n')"
    for _, name, style in _styles_of(styles):
        level = _value(_child(_child(style, "pPr"), "outlineLvl"))
        if re.fullmatch("[0-5]", level) and re.fullmatch(r"[^'\\\n]+", name):
            yield f"p[style-name='{name}'] => h{int(level) + 1}:fresh"


# -- text ------------------------------------------------------------------------------------------------------------


def _take_out_hidden(root: _Element, hiding: frozenset[str]) -> int:
    """Remove runs that a reader of the document does not see; returns how many held text."""
    doomed = [run for run in root.iter() if _local(run) == "r" and _is_hidden(run, hiding)]
    count = 0
    for run in doomed:
        parent = run.getparent()
        if parent is not None:
            count += any(_local(part) == "t" and (part.text or "").strip() for part in run.iter())
            parent.remove(run)
    return count


def _is_hidden(run: _Element, hiding: frozenset[str]) -> bool:
    properties = _child(run, "rPr")
    if properties is None:
        return False
    vanish = _child(properties, "vanish")
    if vanish is not None:
        return _is_on(vanish)
    if _value(_child(properties, "rStyle")) in hiding:
        return True
    size = _value(_child(properties, "sz"))
    if size.isdigit() and int(size) <= _TINY_HALF_POINTS:
        return True
    white = _value(_child(properties, "color")).upper() in _WHITE
    return (
        white
        and not run.xpath(_SHADED)
        and not run.xpath("ancestor::*[local-name()='tbl' or local-name()='txbxContent']")
    )


def _spell_out_equations(root: _Element) -> None:
    """Put the characters of an equation in a run of text, which mammoth would pass over."""
    for equation in [element for element in root.iter() if _local(element) == "oMath"]:
        parent = equation.getparent()
        paragraph = next((above for above in equation.iterancestors() if _local(above) == "p"), None)
        if parent is None or paragraph is None:
            continue
        characters = " ".join((part.text or "").strip() for part in equation.iter() if _local(part) == "t")
        namespace = paragraph.tag.rpartition("}")[0] + "}"
        run = etree.Element(f"{namespace}r")
        etree.SubElement(run, f"{namespace}t").text = f" {characters} "
        run.tail = equation.tail
        if _local(parent) == "oMathPara" and parent.getparent() is not None:
            parent.addprevious(run)
        else:
            parent.replace(equation, run)


def _properties(content: bytes) -> tuple[dict[str, str], str]:
    """Author, keywords and subject, and the title, of the package."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        if "docProps/core.xml" not in package.namelist():
            return {}, ""
        try:
            core = _xml(package.read("docProps/core.xml"))
        except _UNREADABLE:
            return {}, ""
    found = {_local(element): " ".join((element.text or "").split()) for element in core}
    names = {"creator": "author", "keywords": "keywords", "subject": "subject", "language": "lang"}
    return {name: found[key] for key, name in names.items() if found.get(key)}, found.get("title", "")
