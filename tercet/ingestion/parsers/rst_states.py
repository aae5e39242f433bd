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

from tercet.ingestion.parsers.rst_directives import (
    ADMONITIONS,
    CODE,
    CODE_WITH_LANGUAGE,
    DROPPED,
    LANGUAGES,
    LAYOUT,
    NATIVE,
    NOT_INCLUDED,
    SIGNATURES,
    TRANSPARENT,
)
from tercet.records import Finding

if TYPE_CHECKING:
    from docutils.statemachine import StringList

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

    def __init__(self, state_machine: states.RSTStateMachine, debug: bool = False) -> None:
        super().__init__(state_machine, debug)  # type: ignore[call-arg]  # that of the state it is mixed into
        self.nested_sm_kwargs = {"state_classes": STATES, "initial_state": "Body"}

    def directive(self: Any, match: re.Match[str], **option_presets: str) -> tuple[list[nodes.Node], bool]:
        """Read a directive without knowing what arguments and options it takes."""
        name = match[1].lower()
        if name in NATIVE:
            result: tuple[list[nodes.Node], bool] = states.Body.directive(self, match, **option_presets)  # type: ignore[no-untyped-call]  # docutils'
            return result
        line = self.state_machine.abs_line_number()
        block, _, offset, blank_finish = self.state_machine.get_first_known_indented(match.end(), strip_top=0)
        directive = _Directive(self, name, block, offset, line)
        made = directive.inline() if option_presets else directive.blocks()
        for node in made:
            if isinstance(node, nodes.Element):
                node.line = node.line or line
        return made, blank_finish or self.state_machine.is_next_line_blank()


def _explicit() -> Any:  # noqa: ANN401 (docutils gives the record no name)
    # docutils lists the functions that read explicit markup by value, so that overriding the method alone does nothing.
    explicit = copy.copy(states.Body.explicit)
    explicit.constructs = [
        (_Tolerant.directive if method is states.Body.directive else method, pattern)
        for method, pattern in states.Body.explicit.constructs
    ]
    return explicit


class _Directive:
    def __init__(self, state: states.RSTState, name: str, block: StringList, offset: int, line: int) -> None:
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
        """The nodes for the directive where it stands as a block."""
        name = self._name
        made: list[nodes.Node] = []
        if name in NOT_INCLUDED:
            self._tolerated.not_included[name] += 1
        elif name == "meta":
            self._tolerated.metadata.update({key: value for key, value in self.options.items() if value})
        elif name in ADMONITIONS:
            made = [self._admonition()]
        elif name == "code-tab":
            made = self._code(title=self.argument.partition(" ")[2])
        elif name in CODE:
            made = self._code()
        elif name in ("image", "figure"):
            alternative = self.options.get("alt")
            made = self._with_content(nodes.container("", *([self._paragraph(alternative)] if alternative else [])))
        elif name not in DROPPED:
            made = self._described()
        return made

    def _described(self) -> list[nodes.Node]:
        in_domain, name = ":" in self._name, self._name.rpartition(":")[2]
        if not in_domain and name not in TRANSPARENT:
            self._tolerated.unknown[name] += 1
        node = nodes.container()
        if name not in LAYOUT or in_domain:
            texts = (line.strip().rstrip("\\").strip() for line in self._head)
            node.extend(self._paragraph(text, code=in_domain or name in SIGNATURES) for text in texts if text)
        return self._with_content(node)

    def _with_content(self, node: nodes.Element) -> list[nodes.Node]:
        if len(self._content):
            self._state.nested_parse(self._content, self._content_offset, node)
        return [node]

    def _paragraph(self, text: str, *, code: bool = False) -> nodes.paragraph:
        inline = [nodes.literal(text, text)] if code else self._state.inline_text(text, self._line)[0]
        paragraph = nodes.paragraph("", "", *inline)
        paragraph.line = self._line
        return paragraph

    def _admonition(self) -> nodes.Node:
        label, head = ADMONITIONS[self._name], self._head
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
        takes_language = self._name in CODE_WITH_LANGUAGE
        language = self.argument.split()[0] if takes_language and self.argument else ""
        lines = list(self._content) if takes_language else [*self._head, *self._content]
        if lines:
            text = "\n".join(lines)
            made.append(nodes.literal_block(text, text, language=language or LANGUAGES.get(self._name, "")))
        return made


STATES = tuple(type(state.__name__, (_Tolerant, state), {"explicit": _explicit()}) for state in states.state_classes)
"""docutils' states, each with tolerant directives; state machines find them by their names."""


class TolerantParser(Parser):
    """The parser over these states."""

    def __init__(self) -> None:
        inliner = states.Inliner()
        # An attribute, not a subclass: docutils makes its patterns from the variables of exactly the inliner's class.
        inliner.interpreted = interpreted  # type: ignore[method-assign]  # as said above
        super().__init__(inliner=inliner)
        self.state_classes = STATES
