"""Threads for tools that are no coroutines."""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT = 16
"""Idle threads, at most."""


class DaemonThreads:
    """As many threads as there are calls; idle ones are used again.

    A pool with a limit would let as many hung tools stop all others, and Python waits for its threads before it ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Callable[[], None]]] = []

    def run(self, work: Callable[[], None]) -> None:
        """Run something that raises nothing."""
        with self._lock:
            queue = self._idle.pop() if self._idle else None
        if queue is None:
            queue = SimpleQueue()
            threading.Thread(target=self._serve, args=(queue,), name="tercet-tool", daemon=True).start()
        queue.put(work)

    def _serve(self, queue: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            queue.get()()
            with self._lock:
                if len(self._idle) >= _KEPT:
                    return
                self._idle.append(queue)

    def forget(self) -> None:
        """In a forked process there are none."""
        self._lock = threading.Lock()
        self._idle = []


THREADS = DaemonThreads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=THREADS.forget)
