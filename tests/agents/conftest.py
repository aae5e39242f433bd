"""Fixtures for agents that ask the stand-in for the Anthropic service."""

from __future__ import annotations

from tests.models.conftest import open_claude, service

__all__ = ["open_claude", "service"]
