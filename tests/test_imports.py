"""What starting up may cost: heavy libraries stay out until something needs them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "qdrant_edge",
    "qdrant_client",
    "sqlalchemy",
    "anthropic",
    "docutils",
    "tiktoken",
)
REPORT = f"""
import sys
print(",".join(name for name in {HEAVY!r} if name in sys.modules))
"""


def loaded_by(code: str) -> str:
    """The heavy libraries in memory after running `code` in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import tercet", id="package"),
        pytest.param("from tercet import Scope, Document, DocumentFilter, RetrievalConfig", id="records"),
        pytest.param("import tercet; tercet.__version__; dir(tercet)", id="version"),
        pytest.param("from tercet.models.chat import resolve_model; resolve_model('extractive')", id="offline model"),
        pytest.param("from tercet.testing import AnthropicServer, FunctionModel, ScriptedModel", id="models for tests"),
    ],
)
def test_light_names_load_no_heavy_library(code: str) -> None:
    """Part of S1.53: the core imports none of the parts that can be exchanged."""
    assert loaded_by(code) == ""


def test_help_loads_no_heavy_library() -> None:
    code = """
import contextlib, io
from tercet.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["--help"]) == 0
    assert main(["search", "--help"]) == 0
"""
    assert loaded_by(code) == ""


def test_memory_and_ingest_load_no_torch() -> None:
    loaded = loaded_by("from tercet import Memory, SemanticRetriever, ingest")

    assert not {"torch", "transformers", "sentence_transformers", "anthropic"} & set(loaded.split(","))
