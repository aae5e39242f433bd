"""The step that runs the tool, within its time, and lets no exception out."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tercet.agents.gate.idempotency import effect_key
from tercet.agents.gate.threads import THREADS
from tercet.agents.gate.untrusted import LEVELS, excerpt, told
from tercet.agents.tools.records import Failed, InDoubt, Refused, Succeeded, ToolContext, ToolOutput
from tercet.agents.tools.schema import bind
from tercet.errors import InputError, NothingChangedError
from tercet.memory.working.records import least_trust

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome, Tool
    from tercet.records import Trust


@dataclass(frozen=True, slots=True)
class _Returned:
    value: Any


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


class ExecuteStep:
    """Runs the tool once. The last step: nothing comes behind it.

    Async functions are awaited; others run in a thread that no other call waits for, so that a hung one holds up
    neither the run nor the end of the process. After its time, or when the run is cancelled, an async tool is cancelled
    and may still say how it ended; then it is left to itself. A tool that blocks the event loop cannot be stopped by
    anything.

    A tool that changes something and neither returned nor raised ``NothingChangedError`` is in doubt.

    Args:
        grace: Seconds that a cancelled tool has to end.
        sleep: Waits, where a call that was held up comes too near to those before it for its rate.
    """

    name = "execute"

    def __init__(self, *, grace: float = 0.25, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._grace, self._sleep = grace, sleep
        self._left: set[asyncio.Task[_Returned | _Raised]] = set()

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Run the tool."""
        tool = call.tool
        assert tool is not None
        trust = run.taint.trust_of(call.arguments, tool, with_content=True) if tool.content else call.trust
        try:
            arguments = bind(tool, call.arguments)
        except InputError as error:
            return Refused(step=self.name, reason=excerpt(error.message), remedy=error.remedy)
        while wait := self._too_early(call, run):
            await self._sleep(wait)
        left = run.ledger.seconds_left
        if left is not None and left <= 0:
            return Refused(step=self.name, reason="The time of the run is over.", final=True)
        timeout = tool.timeout if left is None else min(tool.timeout, left)
        context = self._context(call, run, trust) if tool.takes_context else None
        if call.booking is not None:
            call.booking.settle()
        ended = await self._run(tool, context, arguments, timeout)
        if isinstance(ended, _Returned):
            return _succeeded(ended.value, tool, trust)
        return _failed(ended, call, run, timeout)

    @staticmethod
    def _too_early(call: Call, run: RunState) -> float:
        return run.rates.begin(call.name, agent=run.agent, tenant=run.scope.tenant, now=run.monotonic())

    @staticmethod
    def _context(call: Call, run: RunState, trust: Trust) -> ToolContext[Any]:
        return ToolContext(
            deps=run.deps,
            scope=run.scope,
            agent=run.agent,
            run=run.run,
            call=call.id,
            idempotency_key=effect_key(call, run),
            trust=trust,
        )

    async def _run(
        self, tool: Tool[Any], context: ToolContext[Any] | None, arguments: Mapping[str, Any], timeout: float
    ) -> _Returned | _Raised | None:
        """What the tool came to; None: it did not say in time."""
        before = () if context is None else (context,)
        task = asyncio.create_task(_called(lambda: tool.function(*before, **arguments), tool.function))
        late = False
        try:
            await asyncio.wait({task}, timeout=timeout)
            if late := not task.done():
                await self._stop(task)
        except asyncio.CancelledError:
            await self._stop(task)
            raise
        if late and (not task.done() or task.cancelled()):
            return None
        return _Raised(asyncio.CancelledError()) if task.cancelled() else task.result()

    async def _stop(self, task: asyncio.Task[_Returned | _Raised]) -> None:
        task.cancel()
        self._left.add(task)  # the event loop alone would let it be collected
        task.add_done_callback(self._left.discard)
        await asyncio.wait({task}, timeout=self._grace)


async def _called(call: Callable[[], Any], function: Callable[..., Any]) -> _Returned | _Raised:
    try:
        if inspect.iscoroutinefunction(function):
            return _Returned(await call())
        value = await _in_thread(call)
        return _Returned(await value if inspect.isawaitable(value) else value)
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:
        return _Raised(error)


def _in_thread(call: Callable[[], Any]) -> asyncio.Future[Any]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def tell(value: Any, error: BaseException | None) -> None:  # noqa: ANN401 - whatever a tool returns
        if future.cancelled():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def work() -> None:
        value, error = None, None
        try:
            value = call()
        except BaseException as raised:
            # No exception may end a future that says to whoever awaits it that an iteration is over.
            error = RuntimeError("StopIteration was raised") if isinstance(raised, StopIteration) else raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, value, error)

    context = copy_context()
    THREADS.run(lambda: context.run(work))
    return future


def _succeeded(value: Any, tool: Tool[Any], trust: Trust) -> Succeeded:  # noqa: ANN401 - whatever a tool returns
    output = value if isinstance(value, ToolOutput) else ToolOutput(value=value)
    given = output.trust or tool.trust
    if tool.effect == "pure" and given in LEVELS:  # what is computed from a text is worth no more than the text
        given = least_trust((given, trust))
    return Succeeded(value=output.value, sources=output.sources, citations=output.citations, trust=given)


def _failed(ended: _Raised | None, call: Call, run: RunState, timeout: float) -> Failed | InDoubt:
    assert call.tool is not None
    failed = _failure(ended, call.name, timeout)
    if call.tool.changes and failed.error != "declined":
        return InDoubt(key=effect_key(call, run), reason=f"{failed.reason} It may have happened all the same.")
    return failed


def _failure(ended: _Raised | None, name: str, timeout: float) -> Failed:
    if ended is None:
        return Failed(error="timeout", reason=f"{name!r} did not end within {timeout:g} seconds.", retryable=True)
    if isinstance(ended.error, asyncio.CancelledError):
        return Failed(error="cancelled", reason=f"{name!r} was cancelled.")
    if isinstance(ended.error, NothingChangedError):
        return Failed(
            error="declined",
            reason=f"{name!r} changed nothing: {told(ended.error)}",
            retryable=ended.error.retryable,
        )
    return Failed(error="exception", reason=f"{name!r} failed: {told(ended.error)}")
