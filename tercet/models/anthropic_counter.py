"""Counts by the service itself: the count endpoint of Anthropic, through its SDK."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, CounterUnavailableError
from tercet.models.model_requests import check_model_requests

if TYPE_CHECKING:
    from anthropic import Anthropic

_REMEMBERED = 4096
_OFFLINE = "Use the counter 'default' instead, which needs no service."


class AnthropicTokenCounter:
    """The count of a text as the one message of a user, the few tokens around a message included.

    Every text that was not counted lately is sent to the service. Safe to share between threads.

    Args:
        model: A model's name, such as ``"claude-sonnet-4-5"``.
        client: An ``anthropic.Anthropic``; otherwise one is made, which finds its key in ``ANTHROPIC_API_KEY``.
        remembered: How many counts are kept, by a hash of their text.

    Raises:
        ConfigurationError: The model has no name.
        CounterUnavailableError: A client cannot be made.
    """

    def __init__(self, model: str, *, client: Anthropic | None = None, remembered: int = _REMEMBERED) -> None:
        if not model:
            raise ConfigurationError("a model needs a name to count for.", remedy="Use 'anthropic:MODEL'.")
        self._model = model
        self._client = client or _client()
        self._remembered = remembered
        self._counts: OrderedDict[bytes, int] = OrderedDict()
        self._lock = threading.Lock()
        self.name = f"anthropic:{model}"

    def count(self, text: str) -> int:
        """Tokens of the text as a message; 0 for no text.

        Raises:
            CounterUnavailableError: The service cannot be reached, or refuses.
            ModelRequestsForbiddenError: Requests to hosted models are switched off.
        """
        if not text:
            return 0
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            if key in self._counts:
                self._counts.move_to_end(key)
                return self._counts[key]
        tokens = self._ask(text)
        with self._lock:
            self._counts[key] = tokens
            while len(self._counts) > self._remembered:
                self._counts.popitem(last=False)
        return tokens

    def _ask(self, text: str) -> int:
        check_model_requests(self.name)
        from anthropic import AnthropicError

        sent = text if text.strip() else text + "."  # a message of white space alone is refused
        sent = sent.encode("utf-8", "replace").decode("utf-8")  # and half a surrogate pair cannot be sent
        try:
            answer = self._client.messages.count_tokens(model=self._model, messages=[{"role": "user", "content": sent}])
        except (AnthropicError, TypeError) as error:  # the SDK raises TypeError where no key is found
            raise CounterUnavailableError(
                f"the tokens of a text could not be counted for {self._model}: {type(error).__name__}: {error}.",
                remedy=f"Check ANTHROPIC_API_KEY, the model's name and the network. {_OFFLINE}",
            ) from error
        return answer.input_tokens


def _client() -> Anthropic:
    try:
        from anthropic import Anthropic

        return Anthropic(open_telemetry=False)
    except (ImportError, TypeError, ValueError) as error:
        raise CounterUnavailableError(f"no Anthropic client can be made: {error}.", remedy=_OFFLINE) from error
    except Exception as error:
        from anthropic import AnthropicError

        if not isinstance(error, AnthropicError):
            raise
        raise CounterUnavailableError(
            f"no Anthropic client can be made: {error}.", remedy=f"Set ANTHROPIC_API_KEY. {_OFFLINE}"
        ) from error
