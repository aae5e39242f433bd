"""A stand-in for the Anthropic service, and models that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tercet.models.anthropic_chat import AnthropicModel
from tercet.models.model_requests import allow_model_requests
from tercet.testing import AnthropicServer


@pytest.fixture
def service() -> Iterator[AnthropicServer]:
    """Listens on 127.0.0.1; requests to hosted models are allowed as long as it does."""
    with AnthropicServer() as server, allow_model_requests(True):
        yield server


@pytest.fixture
def open_claude(service: AnthropicServer) -> Callable[..., AnthropicModel]:
    """Makes models that ask the stand-in."""

    def opened(**options) -> AnthropicModel:
        return AnthropicModel("claude-test", **{"api_key": "not-a-key", "base_url": service.url, **options})

    return opened
