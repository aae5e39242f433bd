"""Calls in worker threads end, whatever they raise."""

from __future__ import annotations

import asyncio

import pytest

from tercet.agents.threads import in_thread


def test_a_call_that_stops_an_iteration_ends() -> None:
    async def call() -> None:
        async with asyncio.timeout(10):
            await in_thread(next, iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(call())


def test_what_a_call_gives_or_raises_comes_back() -> None:
    assert asyncio.run(in_thread(int, "12", base=8)) == 10
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(in_thread(int, "x"))
