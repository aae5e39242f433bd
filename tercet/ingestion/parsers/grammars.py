"""The grammars of tree-sitter: where each is, and what its nodes are.

Each is a wheel of its own that holds the compiled parser, so nothing is fetched when a file is read. They come with the
extra ``code``; a language without a grammar is cut at blank lines. The types of nodes are listed in the file
``node-types.json`` of each grammar's repository.
"""

from __future__ import annotations

from typing import NamedTuple


class Grammar(NamedTuple):
    """Where a grammar is, and which types of its nodes mean what; types are separated by spaces."""

    package: str
    symbols: str
    containers: str = ""
    """Symbols that may be cut into their members."""
    namespaces: str = ""
    """Symbols that are cut, however small."""
    wrappers: str = ""
    """Stand around one symbol and belong to it."""
    open: str = ""
    """Hold symbols, but name nothing: what is in them is where they are."""
    function: str = "language"


_C_CONDITIONS = "preproc_if preproc_ifdef preproc_else preproc_elif preproc_elifdef"
_TYPES = "class_declaration interface_declaration enum_declaration"
_JAVASCRIPT = Grammar(
    "tree_sitter_javascript",
    symbols="function_declaration generator_function_declaration method_definition "
    "variable_declarator assignment_expression field_definition",
    containers="class_declaration",
    wrappers="export_statement lexical_declaration variable_declaration expression_statement",
)
_TYPESCRIPT = Grammar(
    "tree_sitter_typescript",
    symbols=f"{_JAVASCRIPT.symbols} function_signature type_alias_declaration enum_declaration public_field_definition",
    containers="class_declaration abstract_class_declaration interface_declaration",
    namespaces="internal_module module",
    wrappers=f"{_JAVASCRIPT.wrappers} ambient_declaration",
    function="language_typescript",
)
_C = Grammar(
    "tree_sitter_c",
    symbols="function_definition struct_specifier union_specifier enum_specifier",
    wrappers="type_definition",
    open=f"{_C_CONDITIONS} linkage_specification declaration_list",
)

GRAMMARS = {
    "bash": Grammar("tree_sitter_bash", symbols="function_definition"),
    "c": _C,
    "cpp": Grammar(
        "tree_sitter_cpp",
        symbols=f"{_C.symbols} concept_definition",
        containers="class_specifier struct_specifier",
        namespaces="namespace_definition",
        wrappers="type_definition template_declaration",
        open=_C.open,
    ),
    "csharp": Grammar(
        "tree_sitter_c_sharp",
        symbols="method_declaration constructor_declaration destructor_declaration operator_declaration "
        "delegate_declaration local_function_statement",
        containers=f"{_TYPES} struct_declaration record_declaration",
        namespaces="namespace_declaration",
        wrappers="global_statement",
        open="preproc_if preproc_else preproc_elif file_scoped_namespace_declaration",
    ),
    "go": Grammar(
        "tree_sitter_go",
        symbols="function_declaration method_declaration type_spec type_alias",
        wrappers="type_declaration",
    ),
    "java": Grammar(
        "tree_sitter_java",
        symbols="method_declaration constructor_declaration compact_constructor_declaration",
        containers=f"{_TYPES} record_declaration annotation_type_declaration",
        open="enum_body_declarations",
    ),
    "javascript": _JAVASCRIPT,
    "kotlin": Grammar(
        "tree_sitter_kotlin",
        symbols="function_declaration secondary_constructor",
        containers="class_declaration object_declaration companion_object",
    ),
    "lua": Grammar(
        "tree_sitter_lua", symbols="function_declaration assignment_statement", wrappers="variable_declaration"
    ),
    "php": Grammar(
        "tree_sitter_php",
        symbols="function_definition method_declaration",
        containers=f"{_TYPES} trait_declaration",
        namespaces="namespace_definition",
        function="language_php",
    ),
    "ruby": Grammar(
        "tree_sitter_ruby",
        symbols="method singleton_method",
        containers="class",
        namespaces="module",
        open="singleton_class body_statement",
    ),
    "rust": Grammar(
        "tree_sitter_rust",
        symbols="function_item function_signature_item struct_item enum_item union_item type_item macro_definition",
        containers="impl_item trait_item",
        namespaces="mod_item",
        open="foreign_mod_item declaration_list",
    ),
    "scala": Grammar(
        "tree_sitter_scala",
        symbols="function_definition function_declaration given_definition",
        containers="class_definition object_definition trait_definition enum_definition package_object",
        open="extension_definition",
    ),
    "swift": Grammar(
        "tree_sitter_swift",
        symbols="function_declaration protocol_function_declaration init_declaration deinit_declaration",
        containers="class_declaration protocol_declaration",
    ),
    "tsx": _TYPESCRIPT._replace(function="language_tsx"),
    "typescript": _TYPESCRIPT,
}
OTHERS = {"c": ("cpp",), "javascript": ("tsx",)}
"""Grammars tried where the first finds errors: a ``.h`` may be C++, and a ``.js`` may have types."""
