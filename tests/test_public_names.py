"""The public names: what `__all__` says is what can be imported, typed and found."""

from __future__ import annotations

import ast
from importlib.metadata import version
from pathlib import Path

import pytest

import tercet


def test_all_is_sorted_and_matches_the_lazy_table() -> None:
    assert list(tercet.__all__) == sorted(tercet._HOME)


@pytest.mark.parametrize("name", tercet.__all__)
def test_every_public_name_resolves_to_an_object_of_its_home_module(name: str) -> None:
    value = getattr(tercet, name)

    assert value.__module__ == tercet._HOME[name]
    assert value.__doc__


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse(Path(tercet.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert typed == tercet._HOME


def test_version_is_that_of_the_installed_distribution() -> None:
    assert tercet.__version__ == version("tercet")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Memroy'"):
        tercet.Memroy  # noqa: B018 - asking is what fails


def test_dir_lists_names_that_were_not_used_yet() -> None:
    assert {"Memory", "ingest", "__version__"} <= set(dir(tercet))
