"""Stand-ins and conformance suites for testing code that uses Tercet, and Tercet itself."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.testing.anthropic_replies import Failure, Raw, Reply, text_block, thinking, tool_use
    from tercet.testing.anthropic_server import AnthropicServer
    from tercet.testing.chat_conformance import ChatModelConformance
    from tercet.testing.chat_models import BrokenStream, FunctionModel, ScriptedModel, answer
    from tercet.testing.embedder import HashEmbedder
    from tercet.testing.journal_conformance import JournalConformance
    from tercet.testing.vector_conformance import VectorIndexConformance

_HOME = {
    "AnthropicServer": "tercet.testing.anthropic_server",
    "BrokenStream": "tercet.testing.chat_models",
    "ChatModelConformance": "tercet.testing.chat_conformance",  # needs pytest
    "Failure": "tercet.testing.anthropic_replies",
    "FunctionModel": "tercet.testing.chat_models",
    "HashEmbedder": "tercet.testing.embedder",
    "JournalConformance": "tercet.testing.journal_conformance",  # needs pytest
    "Raw": "tercet.testing.anthropic_replies",
    "Reply": "tercet.testing.anthropic_replies",
    "ScriptedModel": "tercet.testing.chat_models",
    "VectorIndexConformance": "tercet.testing.vector_conformance",  # needs pytest
    "answer": "tercet.testing.chat_models",
    "text_block": "tercet.testing.anthropic_replies",
    "thinking": "tercet.testing.anthropic_replies",
    "tool_use": "tercet.testing.anthropic_replies",
}

__all__ = [
    "AnthropicServer",
    "BrokenStream",
    "ChatModelConformance",
    "Failure",
    "FunctionModel",
    "HashEmbedder",
    "JournalConformance",
    "Raw",
    "Reply",
    "ScriptedModel",
    "VectorIndexConformance",
    "answer",
    "text_block",
    "thinking",
    "tool_use",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
