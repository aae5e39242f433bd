"""A fuse: whether this process may send requests to hosted models. Test suites switch it off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.errors import ModelRequestsForbiddenError

if TYPE_CHECKING:
    from types import TracebackType

_allowed = True


class allow_model_requests:  # noqa: N801 - called like a function, and as a context manager
    """Allow or forbid requests to hosted models, in all threads of this process, from now on.

    As a context manager it restores at its end what held before. Models that run in this process are not concerned.

    Args:
        allowed: Whether they may be sent.

    Example:
        >>> with allow_model_requests(False):
        ...     check_model_requests("anthropic:some-model")
        Traceback (most recent call last):
        tercet.errors.ModelRequestsForbiddenError: requests to hosted models are switched off, so ...
    """

    def __init__(self, allowed: bool) -> None:
        self._before = _allowed
        _allow(allowed)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _allow(self._before)


def check_model_requests(name: str) -> None:
    """Refuse a request to a hosted model while they are forbidden; adapters call it before they open a socket.

    Args:
        name: Of the model.

    Raises:
        ModelRequestsForbiddenError: They are.
    """
    if not _allowed:
        raise ModelRequestsForbiddenError(
            f"requests to hosted models are switched off, so {name} was not asked.",
            remedy="Use a model of tercet.testing, or allow them: with allow_model_requests(True).",
        )


def _allow(allowed: bool) -> None:
    global _allowed  # noqa: PLW0603 - one fuse for the process, whoever asks
    _allowed = allowed
