"""Calls of what blocks, from the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def in_thread(
    function: Callable[Arguments, Result], /, *arguments: Arguments.args, **options: Arguments.kwargs
) -> Result:
    """Call a function in a worker thread.

    Unlike ``asyncio.to_thread`` it ends whatever the function raises: a future cannot hold a ``StopIteration``, so that
    whoever awaited one would wait for ever.

    Raises:
        RuntimeError: The function raised ``StopIteration``, as a generator would say it (PEP 479).

    Example:
        >>> asyncio.run(in_thread(max, 1, 2))
        2
    """

    def call() -> Result:
        try:
            return function(*arguments, **options)
        except StopIteration as error:
            raise RuntimeError("StopIteration was raised") from error

    return await asyncio.to_thread(call)
