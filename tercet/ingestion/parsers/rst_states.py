"""A docutils parser that takes roles and directives of Sphinx and its extensions as they come.

docutils keeps directives and roles in process-wide registries. Nothing is registered there: the state classes of this
parser look directives up here, and its inline parser renders every role itself, so that another docutils user in the
process sees no difference.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Parser, states
from docutils.utils import unescape

from tercet.records import Finding

if TYPE_CHECKING:
    from docutils.statemachine import StringList

_NATIVE = frozenset({"list-table", "csv-table", "table", "replace", "unicode", "parsed-literal", "line-block"})
_ADMONITIONS = {
    **{name: name.capitalize() for name in ("note tip hint important warning caution danger error attention").split()},
    "admonition": "Note",
    "seealso": "See also",
    "todo": "To do",
    "versionadded": "Added in version",
    "version-added": "Added in version",
    "versionchanged": "Changed in version",
    "version-changed": "Changed in version",
    "versionremoved": "Removed in version",
    "deprecated": "Deprecated since version",
    "version-deprecated": "Deprecated since version",
}
_CODE = frozenset(
    (
        "code code-block sourcecode code-cell prompt console ipython jupyter-execute testcode testsetup testcleanup"
        " testoutput doctest productionlist math graphviz mermaid uml digraph graph inheritance-diagram highlights-code"
    ).split()
)
_DROPPED = frozenset(
    (
        "toctree contents index currentmodule module py:currentmodule py:module highlight raw role default-role sectnum"
        " section-numbering header footer target-notes tabularcolumns codeauthor sectionauthor moduleauthor program"
        " default-domain date restructuredtext-test-directive bibliography sidebar-links"
    ).split()
)
_NOT_INCLUDED = frozenset({"include", "literalinclude", "raw", "command-output", "program-output", "click", "argparse"})
_TRANSPARENT = frozenset(
    (
        "container compound only ifconfig ifconfig class rst-class cssclass div tabs tab group-tab code-tab tab-set"
        " tab-item tab-set-code details dropdown collapse toggle grid grid-item grid-item-card card card-carousel topic"
        " sidebar rubric centered epigraph highlights pull-quote glossary hlist figure image acks describe object"
        " function class method classmethod staticmethod attribute data exception property decorator decoratormethod"
        " option cmdoption envvar confval type macro struct enum member var setting autoclass autofunction autodata"
        " automethod automodule autoattribute autoexception autodecorator autoproperty autosummary"
    ).split()
)
_LAYOUT = frozenset({"container", "compound", "class", "rst-class", "cssclass", "div", "only", "ifconfig", "hlist"})
_OPTION = re.compile(r":(?![: ])((?:[^:\\]|\\.|:(?!(?: |$)))*):(?:[ ]+(.*))?$")
_EXPLICIT_TITLE = re.compile(r"(.*?)\s*<([^<>]*)>$", re.DOTALL)
_REFERENCE_PREFIX = re.compile(r"^(?:!|/|\.(?=\w))")
_CODE_ROLES = frozenset({"code", "literal", "samp", "kbd", "command", "program", "option", "file", "envvar", "regexp"})


@dataclass(slots=True)
class Tolerated:
    """What was met in one file that the parser had to make do with, and the metadata that directives gave."""

    unknown: Counter[str] = field(default_factory=Counter)
    not_included: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    metadata: dict[str, str] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """One finding a directive name, and one for all markup errors."""
        found = [Finding(kind="unknown-directive", count=n, detail=name) for name, n in sorted(self.unknown.items())]
        found += [Finding(kind="not-included", count=n, detail=name) for name, n in sorted(self.not_included.items())]
        if self.errors:
            found.append(Finding(kind="rst-error", count=self.errors, detail="markup that was kept as plain text"))
        return found


def interpreted(rawsource: str, text: str, role: str | None, lineno: int) -> tuple[list[nodes.Node], list[Any]]:
    """Render ``:role:`text``` to what a reader sees; the signature is that of docutils' inline parser."""
    shown = unescape(text)
    name = (role or "").rpartition(":")[2].lower()
    if name in _CODE_ROLES:
        return [nodes.literal(rawsource, shown)], []
    if not role or name in ("sub", "sup", "math"):
        return [nodes.inline(rawsource, shown)], []
    titled = _EXPLICIT_TITLE.fullmatch(shown)
    if titled:
        shown = titled[1] or titled[2]
    elif shown.startswith("~"):
        shown = shown[1:].rpartition(".")[2]
    elif name in ("pep", "rfc"):
        shown = f"{name.upper()} {shown}"
    else:
        shown = _REFERENCE_PREFIX.sub("", shown)
    return [nodes.inline(rawsource, shown)], []


class _Tolerant:
    """Mixed into each docutils state: directives are looked up here first."""

    nested_sm_cache: list[Any] = []  # noqa: RUF012 (docutils' own pool, kept apart from the one of its plain states)

    def __init__(self, state_machine: Any, debug: bool = False) -> None:
        super().__init__(state_machine, debug)  # type: ignore[call-arg]
        self.nested_sm_kwargs = {"state_classes": STATES, "initial_state": "Body"}

    def directive(self: Any, match: re.Match[str], **option_presets: Any) -> tuple[list[nodes.Node], bool]:
        """Read a directive without knowing what arguments and options it takes."""
        name = match[1].lower()
        if name in _NATIVE:
            result: tuple[list[nodes.Node], bool] = states.Body.directive(self, match, **option_presets)
            return result
        line = self.state_machine.abs_line_number()
        block, _, offset, blank_finish = self.state_machine.get_first_known_indented(match.end(), strip_top=0)
        directive = _Directive(self, name, block, offset, line)
        made = directive.inline() if option_presets else directive.blocks()
        for node in made:
            if isinstance(node, nodes.Element):
                node.line = node.line or line
        return made, blank_finish or self.state_machine.is_next_line_blank()


def _explicit() -> Any:
    # docutils lists the functions that read explicit markup by value, so that overriding the method alone does nothing.
    explicit = copy.copy(states.Body.explicit)
    explicit.constructs = [
        (_Tolerant.directive if method is states.Body.directive else method, pattern)
        for method, pattern in states.Body.explicit.constructs
    ]
    return explicit


class _Directive:
    def __init__(self, state: Any, name: str, block: StringList, offset: int, line: int) -> None:
        self._state, self._name, self._line = state, name, line
        self._tolerated: Tolerated = state.document.settings.tolerated
        index = 0
        while index < len(block) and block[index].strip() and not _OPTION.match(block[index]):
            index += 1
        self._head, self._head_offset = block[:index], offset
        self.options: dict[str, str] = {}
        key = ""
        while index < len(block) and block[index].strip():
            option = _OPTION.match(block[index])
            if option:
                key = option[1].lower()
                self.options[key] = option[2] or ""
            else:
                self.options[key] = f"{self.options[key]} {block[index].strip()}".strip()
            index += 1
        while index < len(block) and not block[index].strip():
            index += 1
        self._content, self._content_offset = block[index:], offset + index

    @property
    def argument(self) -> str:
        return " ".join(line.strip() for line in self._head).strip()

    def inline(self) -> list[nodes.Node]:
        """Inside a substitution definition: the text it stands for."""
        return [nodes.Text(self.options.get("alt", ""))] if self.options.get("alt") else []

    def blocks(self) -> list[nodes.Node]:
        name = self._name
        bare = name.rpartition(":")[2]
        if name in _NOT_INCLUDED:
            self._tolerated.not_included[name] += 1
            return []
        if name in _DROPPED:
            return []
        if name == "meta":
            self._tolerated.metadata.update({key: value for key, value in self.options.items() if value})
            return []
        if name in _ADMONITIONS:
            return [self._admonition()]
        if name in _CODE:
            return self._code()
        if name in ("image", "figure"):
            node = nodes.container()
            if self.options.get("alt"):
                node += self._paragraph(self.options["alt"])
            return self._with_content(node)
        if ":" not in name and bare not in _TRANSPARENT:
            self._tolerated.unknown[name] += 1
        node = nodes.container()
        if name == "code-tab":
            return self._code(title=self.argument.partition(" ")[2])
        if self._head and name not in _LAYOUT:
            signature = bare in _TRANSPARENT and (":" in name or bare.startswith("auto") or bare in _SIGNATURES)
            for line in self._head:
                text = line.strip().rstrip("\\").strip()
                if text:
                    node += self._paragraph(text, code=signature)
        return self._with_content(node)

    def _paragraph(self, text: str, *, code: bool = False) -> nodes.paragraph:
        inline = [nodes.literal(text, text)] if code else self._state.inline_text(text, self._line)[0]
        paragraph = nodes.paragraph("", "", *inline)
        paragraph.line = self._line
        return paragraph

    def _with_content(self, node: nodes.Element) -> list[nodes.Node]:
        if len(self._content):
            self._state.nested_parse(self._content, self._content_offset, node)
        return [node]

    def _admonition(self) -> nodes.Node:
        label, head = _ADMONITIONS[self._name], self._head
        if self._name == "admonition":
            label, head = self.argument or label, head[:0]
        elif label.endswith("version"):
            version, _, rest = head[0].strip().partition(" ") if len(head) else ("", "", "")
            label = f"{label} {version}".strip()
            if rest:
                head[0] = rest
            else:
                head = head[1:]
        node = nodes.admonition()
        node += nodes.title("", "", *self._state.inline_text(label, self._line)[0])
        if len(head):
            self._state.nested_parse(head, self._head_offset, node)
        self._with_content(node)
        return node

    def _code(self, *, title: str = "") -> list[nodes.Node]:
        made: list[nodes.Node] = []
        caption = title or self.options.get("caption")
        if caption:
            made.append(self._paragraph(caption))
        takes_language = self._name in ("code", "code-block", "sourcecode", "code-cell", "code-tab")
        language = self.argument.split()[0] if takes_language and self.argument else ""
        lines = list(self._content) if takes_language else [*self._head, *self._content]
        if lines:
            text = "\n".join(lines)
            made.append(nodes.literal_block(text, text, language=language or _LANGUAGES.get(self._name, "")))
        return made


_LANGUAGES = {"math": "math", "doctest": "python", "testcode": "python", "ipython": "python", "mermaid": "mermaid"}
_SIGNATURES = frozenset(
    (
        "function method classmethod staticmethod attribute data exception property decorator decoratormethod option"
        " cmdoption envvar confval type macro struct enum member var setting describe object"
    ).split()
)


STATES = tuple(type(state.__name__, (_Tolerant, state), {"explicit": _explicit()}) for state in states.state_classes)
"""docutils' states, each with tolerant directives; state machines find them by their names."""


class TolerantParser(Parser):  # type: ignore[misc]
    """The parser over these states."""

    def __init__(self) -> None:
        inliner = states.Inliner()
        # An attribute, not a subclass: docutils makes its patterns from the variables of exactly the inliner's class.
        inliner.interpreted = interpreted
        super().__init__(inliner=inliner)
        self.state_classes = STATES
