"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import tercet

MODULES = ["tercet", *(found.name for found in pkgutil.walk_packages(tercet.__path__, "tercet."))]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_of_module_run(name: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)

    assert result.failed == 0
