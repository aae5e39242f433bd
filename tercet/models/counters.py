"""Which counter a budget counts with: chosen by name, fitted to a model by a factor, kept while text grows."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.models.tokens import TextCounter

_LINE_START = re.compile(r"\n(?=[^\s/])")
_ANTHROPIC = "anthropic:"


@runtime_checkable
class AdditiveCounter(Protocol):
    """A counter whose counts need not be taken from the start again when a text grows.

    Measures of two texts add up to that of both together wherever the left one ends with a line feed and the right one
    begins with neither white space nor ``/``.
    """

    @property
    def name(self) -> str:
        """Names the counter."""
        ...

    def count(self, text: str) -> int:
        """Tokens of ``text``: ``total(measure(text))``."""
        ...

    def measure(self, text: str) -> int:
        """Tokens before any margin."""
        ...

    def total(self, measured: int) -> int:
        """Tokens of a text of that measure."""
        ...


def resolve_counter(spec: str = "default") -> TextCounter:
    """The counter of that name.

    Args:
        spec: ``"default"`` (offline, counts high); ``"o200k_base"`` or ``"cl100k_base"`` (exact for models of OpenAI;
            `tiktoken` downloads the ranks at first use unless ``TIKTOKEN_CACHE_DIR`` has them); or
            ``"anthropic:MODEL"`` (exact for that model; every new text is sent to the service).

    Raises:
        ConfigurationError: There is no such counter.
        CounterUnavailableError: Its ranks or its key are missing.

    Example:
        >>> resolve_counter("default").count("")
        0
    """
    if spec.startswith(_ANTHROPIC) and spec != _ANTHROPIC:
        from tercet.models.anthropic_counter import AnthropicTokenCounter

        return AnthropicTokenCounter(spec.removeprefix(_ANTHROPIC))
    from tercet.models.tiktoken_counter import PUBLISHED, DefaultCounter, TiktokenCounter

    if spec == "default":
        return DefaultCounter()
    if spec in PUBLISHED:
        return TiktokenCounter(spec)
    raise ConfigurationError(
        f"there is no token counter {spec!r}.",
        remedy=f"Use 'default', {', '.join(map(repr, sorted(PUBLISHED)))} or 'anthropic:MODEL'.",
    )


class ScaledCounter:
    """Another counter's counts times a factor, rounded up: for a model whose own tokenizer is not at hand.

    Args:
        counter: What counts.
        factor: From ``calibrate``, above 0.

    Raises:
        ConfigurationError: The factor is not a number above 0.
    """

    def __init__(self, counter: TextCounter, factor: float) -> None:
        if not 0 < factor < math.inf:
            raise ConfigurationError(f"a safety factor of {factor} counts nothing.", remedy="Use one above 0.")
        self._counter = counter
        self._factor = factor
        self.name = f"{counter.name}*{factor:.3f}"

    def count(self, text: str) -> int:
        """Tokens of the text, times the factor."""
        return self.total(self.measure(text))

    def measure(self, text: str) -> int:
        """What the other counter measures."""
        return self._counter.measure(text) if isinstance(self._counter, AdditiveCounter) else self._counter.count(text)

    def total(self, measured: int) -> int:
        """What the other counter makes of it, times the factor."""
        counted = self._counter.total(measured) if isinstance(self._counter, AdditiveCounter) else measured
        return math.ceil(round(self._factor * counted, 9))  # 1.1 * 10 is a little more than 11

    @property
    def additive(self) -> bool:
        """Whether the other counter's measures add up."""
        return _is_additive(self._counter)


def calibrate(counter: TextCounter, reference: TextCounter, samples: Sequence[str], *, low: float = 0.01) -> float:
    """The smallest factor for ``ScaledCounter`` with which few of the samples count lower than the reference has them.

    Args:
        counter: What is to be scaled.
        reference: What to measure by, such as the count endpoint of a model.
        samples: Texts like those to be counted, of the lengths to be counted; at least 100 for a share of 0.01.
        low: The share of samples that may count too low.

    Raises:
        ConfigurationError: No sample has tokens.

    Example:
        >>> default = resolve_counter()
        >>> calibrate(default, ScaledCounter(default, 2), ["one text", "another"])
        2.0
    """
    pairs = [(reference.count(text), counter.count(text)) for text in samples]
    ratios = sorted(theirs / ours for theirs, ours in pairs if ours)
    if not ratios:
        raise ConfigurationError("no sample has any tokens to calibrate with.", remedy="Give texts as samples.")
    return ratios[len(ratios) - 1 - math.floor(low * len(ratios))]


class RunningCount:
    """The count of a text that grows at its end, always equal to that of the whole text counted at once.

    What a part adds is the difference it makes, so that the parts' tokens add up to the whole. Counting costs time in
    the length of what is new and of the last line before it, not of the whole, if the counter's measures add up; any
    other counter counts from the start each time.

    Example:
        >>> running = RunningCount(resolve_counter())
        >>> parts = [running.add("# Keys\\n"), running.add("Rotate them.\\n")]
        >>> sum(parts) == running.tokens == resolve_counter().count("# Keys\\nRotate them.\\n")
        True
    """

    def __init__(self, counter: TextCounter) -> None:
        self._counter = counter
        self._additive = _is_additive(counter)
        self._settled = 0
        self._tail = ""
        self.tokens = 0

    def with_text(self, text: str) -> int:
        """Tokens of the whole if ``text`` came next, which does not add it."""
        return self._extend(text)[2]

    def add(self, text: str) -> int:
        """Append ``text``, and tell how many tokens more that makes; rarely none or fewer, as letters join a token."""
        before = self.tokens
        self._settled, self._tail, self.tokens = self._extend(text)
        return self.tokens - before

    def _extend(self, text: str) -> tuple[int, str, int]:
        tail = self._tail + text
        if not (self._additive and isinstance(self._counter, AdditiveCounter)):
            return 0, tail, self._counter.count(tail)
        cut = max((match.end() for match in _LINE_START.finditer(tail)), default=0)
        settled = self._settled + (self._counter.measure(tail[:cut]) if cut else 0)
        tail = tail[cut:]
        return settled, tail, self._counter.total(settled + self._counter.measure(tail))


def _is_additive(counter: TextCounter) -> bool:
    return counter.additive if isinstance(counter, ScaledCounter) else isinstance(counter, AdditiveCounter)
