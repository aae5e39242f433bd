"""What a source defines and where, in lines: the adapter of tree-sitter."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple

from tercet.errors import ParseError
from tercet.ingestion.parsers.grammars import GRAMMARS, OTHERS

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Point, Tree

    from tercet.ingestion.parsers.grammars import Grammar

LARGE_LINES = 40
"""A class or the like that spans more lines is cut into its members."""
_DEEPEST = 5
"""Members of members of members: below that a symbol is one piece, however long."""
_MOST_WRAPPERS = 8
_NAME_LENGTH = 100
_LARGEST_MB = 10
"""A tree takes some fifty times the memory of its source."""
_READ_BYTES = 4096
_READS_PER_READ = 16
_STEPS_PER_BYTE = 0.1
_SPARE = 1000
_CPLUSPLUS = re.compile(r"^[ \t]*(?:class|namespace|template|public|private|protected)\b", re.MULTILINE)
"""Lines that C++ is known by; the grammar of C reads ``namespace a {`` as a function, without an error."""
_OPENING = frozenset({"name", "value", "condition"})
"""Of a node that is open: ``DEBUG`` in ``#ifdef DEBUG`` and the like."""
_LEADING = re.compile(r"comment|^(attribute_item|attribute_list|decorator|annotation)$")
_FUNCTIONS = frozenset(
    {"arrow_function", "function_expression", "generator_function", "class", "function_definition", "function"}
)
_VALUED = frozenset(
    {
        "variable_declarator",
        "assignment_expression",
        "assignment_statement",
        "field_definition",
        "public_field_definition",
    }
)
"""Symbols only where the value is a function or class."""
_UNNAMED = {"secondary_constructor": "constructor", "companion_object": "companion"}
_QUALIFIED = re.compile(r"(.+?)(?:::|[.:])(~?\w+)", re.DOTALL)
_RECEIVER = re.compile(r"(\w+)\s*(?:\[[^]]*\])?\s*,?\s*\)$")


class Part(NamedTuple):
    """A run of whole lines: a statement, what leads up to one (a comment, an attribute), or a symbol with its name."""

    kind: Literal["leading", "statement", "symbol"]
    first: int
    """Line, counted from 0; ``last`` is of the part too."""
    last: int
    names: tuple[str, ...] = ()
    """Symbols: the name, with the type's before it where the source has the method outside of its type."""
    members: tuple[Part, ...] = ()
    """Of a namespace, and of a class or the like that is large."""


class Outline(NamedTuple):
    """What a source is made of."""

    parts: tuple[Part, ...]
    errors: int
    """Places that are not as the grammar has it."""
    error_line: int
    """Of the first, counted from 0."""


def outline(text: str, language: str) -> Outline | None:
    """Find the symbols of a source.

    Args:
        text: The source.
        language: Such as ``"go"``.

    Returns:
        The parts in order of their first line, or None when no grammar of the language is installed.

    Raises:
        ParseError: The source is too large, or parsing it takes far more work than its length warrants.

    Example:
        >>> found = outline("func Load() {}\\n", "go")
        >>> [part.names for part in found.parts]
        [('Load',)]
    """
    source = text.encode("utf-8", "replace")
    if len(source) > _LARGEST_MB * 1_000_000 and _load(language) is not None:
        raise ParseError(f"more than {_LARGEST_MB} MB of source.", remedy="Split the file.")
    best: Outline | None = None
    failure: ParseError | None = None
    names = (language, *OTHERS.get(language, ()))
    for name in reversed(names) if language == "c" and _CPLUSPLUS.search(text) else names:
        grammar = _load(name)
        if grammar is None:
            continue
        try:
            found = _read(source, GRAMMARS[name], grammar)
        except ParseError as error:
            failure = failure or error
            continue
        if best is None or found.errors < best.errors:
            best = found
        if not best.errors:
            break
    if best is None and failure is not None:
        raise failure
    return best


@cache
def _load(language: str) -> Language | None:
    grammar = GRAMMARS.get(language)
    if grammar is None:
        return None
    try:
        from tree_sitter import Language  # only with the extra code

        module = import_module(grammar.package)
    except ImportError:
        return None
    return Language(getattr(module, grammar.function)())


def _read(source: bytes, grammar: Grammar, language: Language) -> Outline:
    tree = _tree(source, language)
    reader = _Reader(source, grammar)
    errors, line = _errors(tree)
    return Outline(reader.parts(tree.root_node, depth=0), errors, line)


def _tree(source: bytes, language: Language) -> Tree:
    """Parse, and give up when the work is out of proportion.

    Some grammars look for the end of a comment or string again at each character that they cannot place, which takes
    time in proportion to the square of the length. What is counted is how much is read and how many steps are made,
    not how long it takes: the same file comes out the same everywhere.
    """
    from tree_sitter import Parser  # only with the extra code

    reads = _SPARE + _READS_PER_READ * (len(source) // _READ_BYTES)
    steps = _SPARE + int(_STEPS_PER_BYTE * len(source))

    def read(offset: int, _point: Point) -> bytes:
        nonlocal reads
        reads -= 1
        return source[offset : offset + _READ_BYTES] if reads > 0 else b""

    def stop(_offset: int, _failed: bool) -> bool:
        nonlocal steps
        steps -= 1
        return steps <= 0 or reads <= 0

    try:
        tree = Parser(language).parse(read, progress_callback=stop)
    except ValueError:
        if steps > 0 and reads > 0:
            raise
    if steps <= 0 or reads <= 0:
        raise ParseError(
            "too much of it is no source of its language.", remedy="Check the file's suffix and its syntax."
        )
    return tree


def _errors(tree: Tree) -> tuple[int, int]:
    """How many nodes are errors, and the line of the first."""
    count, line = 0, 0
    cursor = tree.walk()
    while True:
        node = cursor.node
        assert node is not None
        if node.is_error or node.is_missing:
            line = line if count else node.start_point.row
            count += 1
        if node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return count, line


class _Reader:
    """Nodes to parts."""

    def __init__(self, source: bytes, grammar: Grammar) -> None:
        self._source = source
        self._namespaces = frozenset(grammar.namespaces.split())
        self._containers = frozenset(grammar.containers.split()) | self._namespaces
        self._symbols = frozenset(grammar.symbols.split()) | self._containers
        self._wrappers = frozenset(grammar.wrappers.split())
        self._open = frozenset(grammar.open.split())

    def parts(self, node: Node, *, depth: int) -> tuple[Part, ...]:
        """The parts among the children of a node; recursion ends with ``depth``, however deep the source is nested."""
        parts: list[Part] = []
        cursor = node.walk()
        nesting = 0
        descends = cursor.goto_first_child()
        if not descends:
            return ()
        while True:
            child = cursor.node
            assert child is not None
            found = self._found(child) if child.is_named else ()
            if (child.is_error or child.type in self._open or len(found) > 1) and cursor.goto_first_child():
                if not child.is_error:
                    parts.append(Part("leading", child.start_point.row, child.start_point.row))
                nesting += 1
                continue
            if child.is_named and not (nesting and cursor.field_name in _OPENING):
                parts.append(self._part(child, found, depth))
            while not cursor.goto_next_sibling():
                if not nesting:
                    return tuple(parts)
                cursor.goto_parent()
                nesting -= 1

    def _found(self, node: Node) -> tuple[Node, ...]:
        """The symbols that a node is, or stands around."""
        for _ in range(_MOST_WRAPPERS):
            if self._is_symbol(node):
                return (node,)
            if node.type not in self._wrappers:
                break
            inside = [child for child in node.named_children if child.type in self._wrappers or self._is_symbol(child)]
            if len(inside) != 1:
                return tuple(inside)
            node = inside[0]
        return ()

    def _is_symbol(self, node: Node) -> bool:
        kind = node.type
        if kind not in self._symbols:
            return False
        if kind in _VALUED:
            value = node.child_by_field_name("value") or node.child_by_field_name("right")
            if value is None and node.named_child_count > 1:
                value = node.named_children[-1]
            if value is not None and value.type == "expression_list" and value.named_child_count == 1:
                value = value.named_children[0]
            return value is not None and value.type in _FUNCTIONS
        if kind in self._namespaces or kind.endswith("_specifier"):
            return _body(node) is not None
        return True

    def _part(self, node: Node, found: tuple[Node, ...], depth: int) -> Part:
        first, last = node.start_point.row, node.end_point.row
        if last > first and node.end_point.column == 0:
            last -= 1
        if _LEADING.search(node.type):
            return Part("leading", first, last)
        if len(found) != 1:
            return Part("statement", first, last)
        symbol = found[0]
        members: tuple[Part, ...] = ()
        large = symbol.type in self._containers and last - first >= LARGE_LINES
        if (large or symbol.type in self._namespaces) and depth < _DEEPEST:
            body = _body(symbol)
            members = self.parts(body, depth=depth + 1) if body is not None else ()
        return Part("symbol", first, last, self._names(node, symbol), members)

    def _names(self, outer: Node, symbol: Node) -> tuple[str, ...]:
        name = self._name(symbol) or self._name(outer)
        if not name:
            return (_UNNAMED.get(symbol.type, symbol.type.split("_")[0]),)
        if symbol.type in self._containers:
            return (name,)
        receiver = symbol.child_by_field_name("receiver")
        if receiver is not None and (kind := _RECEIVER.search(self._text(receiver))):
            return (kind[1], name)
        if (parts := _QUALIFIED.fullmatch(name)) and (owner := parts[1].removesuffix(".prototype")):
            return (owner, parts[2])
        return (name,)

    def _name(self, node: Node) -> str:
        for field in ("name", "property", "left"):
            named = node.child_by_field_name(field)
            if named is not None:
                return self._text(named)
        kind = node.child_by_field_name("type")
        if node.type == "impl_item" and kind is not None:
            trait = node.child_by_field_name("trait")
            return f"{self._text(trait)} for {self._text(kind)}" if trait is not None else self._text(kind)
        for child in node.named_children[:10]:
            if child.type == "variable_list":
                return self._text(child)
        declared = _declarator(node)
        return self._text(declared) if declared is not None else ""

    def _text(self, node: Node) -> str:
        text = self._source[node.start_byte : min(node.end_byte, node.start_byte + 4 * _NAME_LENGTH)]
        return " ".join(text.decode("utf-8", "replace").split())[:_NAME_LENGTH]


def _body(node: Node) -> Node | None:
    body = node.child_by_field_name("body")
    return body or next((child for child in node.named_children if child.type.endswith("_body")), None)


def _declarator(node: Node) -> Node | None:
    """What a declaration of C declares, inside its stars, brackets and parentheses."""
    found: Node | None = None
    inner: Node | None = node
    while inner is not None:
        following = inner.child_by_field_name("declarator")
        if following is None and inner is not node:
            following = next((child for child in inner.named_children if child.type.endswith("declarator")), None)
        found, inner = following or found, following
    return found
