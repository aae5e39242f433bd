"""The journal's work, away from the event loop where it is slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from tercet.agents.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from tercet.memory.journal.records import Journal

Result = TypeVar("Result")


async def journalled(journal: Journal, work: Callable[[], Result]) -> Result:
    """What a journal's method gives: in a thread if it waits for a disk, at once if it keeps things in memory.

    A cancelled task still waits for the method to end: else nobody would know what was written.
    """
    if not journal.durable:
        return work()
    written = asyncio.ensure_future(in_thread(work))
    try:
        return await asyncio.shield(written)
    except asyncio.CancelledError:
        await asyncio.wait({written})
        raise
