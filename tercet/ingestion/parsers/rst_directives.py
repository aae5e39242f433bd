"""How the directives of docutils, Sphinx and their common extensions are read; see ``rst_states``."""

from __future__ import annotations

NATIVE = frozenset({"list-table", "csv-table", "table", "replace", "unicode", "parsed-literal"})
"""Left to docutils: they build tables and substitutions from their options."""

ADMONITIONS = {
    **{
        name: name.capitalize()
        for name in ("note", "tip", "hint", "important", "warning", "caution", "danger", "error")
    },
    "attention": "Attention",
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
"""Name to label. ``admonition`` has its label as argument; labels that end with "version" take one."""

CODE = frozenset(
    (
        "code",
        "code-block",
        "sourcecode",
        "code-cell",
        "prompt",
        "console",
        "ipython",
        "jupyter-execute",
        "testcode",
        "testsetup",
        "testcleanup",
        "testoutput",
        "doctest",
        "productionlist",
        "math",
        "graphviz",
        "mermaid",
        "uml",
        "digraph",
        "graph",
        "inheritance-diagram",
    )
)
"""Content that is not markup."""

CODE_WITH_LANGUAGE = frozenset({"code", "code-block", "sourcecode", "code-cell", "code-tab"})
"""Those among them whose argument is the language."""

LANGUAGES = {"math": "math", "doctest": "python", "testcode": "python", "ipython": "python", "mermaid": "mermaid"}
"""The language of those that do not say it."""

DROPPED = frozenset(
    (
        "toctree",
        "contents",
        "index",
        "currentmodule",
        "module",
        "py:currentmodule",
        "py:module",
        "highlight",
        "role",
        "default-role",
        "sectnum",
        "section-numbering",
        "header",
        "footer",
        "target-notes",
        "tabularcolumns",
        "codeauthor",
        "sectionauthor",
        "moduleauthor",
        "program",
        "default-domain",
        "date",
        "bibliography",
    )
)
"""Nothing in them is part of the page's text."""

NOT_INCLUDED = frozenset({"include", "literalinclude", "raw", "command-output", "program-output", "click", "argparse"})
"""They take text from elsewhere, which is never read; each is reported."""

SIGNATURES = frozenset(
    (
        "function",
        "method",
        "classmethod",
        "staticmethod",
        "attribute",
        "data",
        "exception",
        "property",
        "decorator",
        "decoratormethod",
        "option",
        "cmdoption",
        "envvar",
        "confval",
        "type",
        "macro",
        "struct",
        "enum",
        "member",
        "var",
        "setting",
        "describe",
        "object",
        "autoclass",
        "autofunction",
        "autodata",
        "automethod",
        "automodule",
        "autoattribute",
        "autoexception",
        "autodecorator",
        "autoproperty",
        "autosummary",
    )
)
"""Descriptions of objects: the argument is code. Any directive of a domain (``py:function``) is one too."""

LAYOUT = frozenset({"container", "compound", "class", "rst-class", "cssclass", "div", "only", "ifconfig", "hlist"})
"""Their arguments are names for styles or builds, their content is the page's."""

TRANSPARENT = (
    frozenset(
        (
            "container",
            "compound",
            "only",
            "ifconfig",
            "class",
            "rst-class",
            "cssclass",
            "div",
            "tabs",
            "tab",
            "group-tab",
            "tab-set",
            "tab-item",
            "tab-set-code",
            "details",
            "dropdown",
            "collapse",
            "toggle",
            "grid",
            "grid-item",
            "grid-item-card",
            "card",
            "card-carousel",
            "topic",
            "sidebar",
            "rubric",
            "centered",
            "epigraph",
            "highlights",
            "pull-quote",
            "glossary",
            "hlist",
            "acks",
        )
    )
    | LAYOUT
    | SIGNATURES
)
"""Known directives whose argument and content are text like any other."""
