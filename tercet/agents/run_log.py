"""Writes the events of one run: to the journal, to whoever watches, and to the log."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tercet.agents.events import Journalled, write
from tercet.agents.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tercet.agents.events import Draft, DraftWithdrawn, Event, LiveEvent
    from tercet.memory.journal.records import Journal, NewEvent, NewRun, RunStatus

    Watch = Callable[[LiveEvent], None]

logger = logging.getLogger("tercet.agents")


class RunLog:
    """The events of one run, in order. What was added is on record once ``flush`` has returned.

    Args:
        journal: Where they are kept.
        run: The run; it has begun when the first ``flush`` has returned.
        clock: What time it is.
        watch: Told of every event as it happens.
        written: How many events there are already: of a run that is gone on with.
    """

    def __init__(
        self,
        journal: Journal,
        run: NewRun,
        *,
        clock: Callable[[], datetime],
        watch: Watch | None = None,
        written: int = 0,
    ) -> None:
        self._journal = journal
        self._run = run
        self._clock = clock
        self._watch = watch
        self._written = written
        self._begun = written > 0
        self._waiting: list[NewEvent] = []
        self._flushing = asyncio.Lock()

    def add(self, event: Event, *, span: str = "", parent: str = "") -> None:
        """Take an event; it is on record after the next ``flush``.

        Args:
            event: What happened.
            span: The step or call that it belongs to; empty: the run.
            parent: Span that the span is a part of; empty: the run.
        """
        at = self._clock()
        span = span or self._run.id
        parent = parent or ("" if span == self._run.id else self._run.id)
        new = write(event, at=at, span=span, parent=parent)
        self._waiting.append(new)
        if logger.isEnabledFor(logging.INFO):
            logger.info(event.kind, extra=self._ids(span))
        if self._watch is not None:
            self._watch(Journalled(event=event, at=at, span=span, parent=parent))

    def show(self, event: Draft | DraftWithdrawn) -> None:
        """Let whoever watches see what is not kept."""
        if self._watch is not None:
            self._watch(event)

    @property
    def watched(self) -> bool:
        """Whether anybody sees what is shown."""
        return self._watch is not None

    async def flush(self, status: RunStatus = "running") -> None:
        """Write down what was added, in one transaction.

        A transaction that has begun is brought to its end, also when the caller is cancelled meanwhile.

        Raises:
            ClaimLostError: Another process goes on with the run.
            StoreError: The journal cannot be written.
        """
        if self._journal.durable:
            writing = asyncio.ensure_future(self._write_in_thread(status))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait([writing])
                raise
        else:
            self._write(*self._taken(), status)

    async def _write_in_thread(self, status: RunStatus) -> None:
        async with self._flushing:
            await in_thread(self._write, *self._taken(), status)

    def _taken(self) -> tuple[list[NewEvent], int]:
        events, self._waiting = self._waiting, []
        after, self._written = self._written, self._written + len(events)
        return events, after

    def _write(self, events: list[NewEvent], after: int, status: RunStatus) -> None:
        if self._begun:
            self._journal.append(self._run.id, events, after=after, status=status)
            return
        self._journal.begin(self._run, events)
        self._begun = True
        if status != "running":
            self._journal.append(self._run.id, (), after=len(events), status=status)

    def _ids(self, span: str) -> dict[str, str]:
        run = self._run
        return {"run": run.id, "root": run.root or run.id, "task": run.task, "agent": run.agent, "span": span}
