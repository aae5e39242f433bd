"""One bounded agent: instructions, a model, a memory, tools, and what it may do and spend."""

from __future__ import annotations

import asyncio
import copy
import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypeVar

from tercet.agents.construction import check_prices, stated_permissions
from tercet.agents.delegating import agent_tool, asked_models
from tercet.agents.gate.breaker import Breakers
from tercet.agents.gate.gate import Gate, default_steps
from tercet.agents.gate.rate import RateLimits
from tercet.agents.instructions import DEFAULT, Instructions, recorded_instructions
from tercet.agents.limits import Limits
from tercet.agents.running import begin, go_on
from tercet.agents.tools.control import ControlTools
from tercet.errors import InputError, RunError, TercetError
from tercet.models.chat import resolve_model
from tercet.models.counters import resolve_counter
from tercet.retrieval.context import ContextBuilder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence

    from tercet.agents.ends import End
    from tercet.agents.events import LiveEvent
    from tercet.agents.loop import Loop
    from tercet.agents.permissions import Permissions
    from tercet.agents.prices import Prices
    from tercet.agents.run_log import Watch
    from tercet.agents.tools.records import Tool
    from tercet.memory.journal.records import Journal
    from tercet.memory.memory import Memory
    from tercet.models.chat import ChatModel
    from tercet.models.chat_records import Effort, SourcePart
    from tercet.models.tokens import TextCounter
    from tercet.records import Scope
    from tercet.settings import ContextConfig

Deps = TypeVar("Deps", default=None)
Output = TypeVar("Output", default=str)
Result = TypeVar("Result")

_TEXT: Any = str
_RATES = RateLimits()
_BREAKERS = Breakers()

FailurePolicy = Literal["raise", "escalate"]
"""What becomes of a run that fails: the error is raised, or put before a person."""


class Agent(Generic[Deps, Output]):
    """Does one task at a time for whoever asks, within what it may read, write, call and spend.

    Without tools it is safe as it stands: it reads what the scope sees, writes nothing, and ends after five steps. As
    soon as one of its tools changes anything, permissions, limits, owner and failure policy have to be stated.

    Args:
        name: Who answers: in the journal, in rules and limits.
        instructions: What it is there for: a text, or one with a name and a version.
        model: A model, or the name of one for ``resolve_model``; None: that of ``TERCET_MODEL``, or else the
            extractive one, which works offline and only quotes.
        memory: What it may read; its journal keeps the runs.
        tools: What it may ask for, made by ``@tool``.
        output_type: What an answer is: ``str``, or a type that pydantic can check.
        input_type: What a task is, likewise.
        permissions: Which tools it may call, with what, and what they may read and write; None: those that change
            nothing.
        limits: How much it may do and spend.
        owner: Who is responsible for it; None: its name, as long as it changes nothing.
        on_failure: What becomes of a run that fails; None: ``"raise"``, as long as it changes nothing.
        corpus: Names of the corpora it reads; empty: all.
        context: Budget and shares of the stores.
        counter: Counts that budget and estimates requests: a counter, or a name for ``resolve_counter``.
        prices: Of models by their names, for limits and reports of cost.
        journal: Keeps its runs; None: that of the memory, or one of this process where there is no memory.
        redact: Takes secrets out of texts before they are journalled: of what is said, of approvals and of results of
            effects. What is sent keeps them; a run that is gone on with has the journal's texts, and a redacted run
            cannot be replayed. Secrets that a tool needs belong into ``deps``, which nobody writes down.
        max_tokens: Of one answer of the model.
        effort: How much thought the model shall give it.
        attempts: How often a request is sent at most while the service fails for now.
        repairs: How often the model is told what is wrong with its output.
        approvals_expire: What nobody has approved until then is denied.
        rates: How often tools may be called; None: those of the process, which have no limits.
        breakers: Know which tools are out of order; None: those of the process, shared by all agents.
        clock: What time it is, with a time zone; None: the memory's clock, or the system's.

    Raises:
        ConfigurationError: Something is missing, contradicts itself, or does not exist.
        CredentialsError: A hosted model was chosen, and there is no key.

    Example:
        >>> from tercet import Agent, Memory, Scope
        >>> with Memory.open("my-memory") as memory:  # doctest: +SKIP
        ...     print(Agent("support", memory=memory).run_sync("How do I rotate a key?", scope=Scope()).text)
    """

    def __init__(
        self,
        name: str,
        *,
        instructions: str | Instructions = DEFAULT,
        model: ChatModel | str | None = None,
        memory: Memory | None = None,
        tools: Sequence[Tool[Deps]] = (),
        output_type: type[Output] = _TEXT,
        input_type: Any = str,  # noqa: ANN401 - any type that pydantic can check
        permissions: Permissions | None = None,
        limits: Limits | None = None,
        owner: str | None = None,
        on_failure: FailurePolicy | None = None,
        corpus: Sequence[str] = (),
        context: ContextConfig | None = None,
        counter: TextCounter | str = "default",
        prices: Mapping[str, Prices] | None = None,
        journal: Journal | None = None,
        redact: Callable[[str], str] | None = None,
        max_tokens: int = 4096,
        effort: Effort | None = None,
        attempts: int = 3,
        repairs: int = 2,
        approvals_expire: timedelta = timedelta(days=1),
        rates: RateLimits | None = None,
        breakers: Breakers | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.name = name
        stated = {"limits": limits, "owner": owner, "on_failure": on_failure}
        self.permissions = stated_permissions(name, tools, permissions=permissions, stated=stated)
        self.instructions = _named(instructions, name)
        self.model = _model(model)
        self.memory = memory
        self.tools = {tool.name: tool for tool in tools}
        self.controls: ControlTools[Output] = ControlTools(output_type)
        self.limits = limits or Limits()
        self.owner = owner or name
        self.on_failure: FailurePolicy = on_failure or "raise"
        self.corpus = tuple(corpus)
        self.prices = dict(prices or {})
        check_prices(name, model=self.model.name, limits=self.limits, prices=self.prices)
        self.journal = journal or _journal(memory)
        self.redact = redact
        self.max_tokens = max_tokens
        self.effort = effort
        self.attempts = attempts
        self.repairs = repairs
        self.approvals_expire = approvals_expire
        self.clock = clock or (memory.clock if memory else _system_clock)
        self.gate = Gate(default_steps(approvals_expire=approvals_expire))
        self.rates = rates or _RATES
        self.breakers = breakers or _BREAKERS
        self._input = TypeAdapter(input_type)
        self._context = context
        self._counter = counter

    # -- running ---------------------------------------------------------------------------------------------------

    async def run(
        self,
        task: Any,  # noqa: ANN401 - of the agent's input type
        *,
        scope: Scope,
        deps: Deps | None = None,
        kind: str = "",
        attachments: Sequence[SourcePart] = (),
    ) -> End[Output]:
        """Do a task.

        Args:
            task: What is asked for, of the agent's input type. It is trusted as its user is.
            scope: On whose behalf: what it sees may be read.
            deps: Handed on to the tools.
            kind: Of task, for reports; empty: none.
            attachments: Texts that the user did not write, such as an uploaded file: data of the least trust.

        Returns:
            One of the five ends. Only ``Answer`` is a success.

        Raises:
            InputError: The task is not of the input type, or empty.
            RunError: The run failed; it says what was spent, and the journal what was done.
            ModelError: The model gave no answer, asked again too.
            BudgetError: The constraints alone have more tokens than the context's budget.
        """
        with self._boundary():
            return await self._begin(task, scope=scope, deps=deps, kind=kind, attachments=attachments).run()

    def run_sync(
        self,
        task: Any,  # noqa: ANN401 - of the agent's input type
        *,
        scope: Scope,
        deps: Deps | None = None,
        kind: str = "",
        attachments: Sequence[SourcePart] = (),
    ) -> End[Output]:
        """Do a task and wait for its end; see ``run``. A running event loop, as in a notebook, is no obstacle."""
        return _wait_for(self._closing(self.run(task, scope=scope, deps=deps, kind=kind, attachments=attachments)))

    async def stream(
        self,
        task: Any,  # noqa: ANN401 - of the agent's input type
        *,
        scope: Scope,
        deps: Deps | None = None,
        kind: str = "",
        attachments: Sequence[SourcePart] = (),
    ) -> AsyncGenerator[LiveEvent | End[Output], None]:
        """Do a task and tell what happens: events as they come, then the end.

        Whoever stops reading early cancels the run: ``async with contextlib.aclosing(agent.stream(…)) as events``.
        Drafts are what the model is writing; nothing of them has been checked.

        Raises:
            TercetError: As ``run`` does, while reading.
        """
        events: asyncio.Queue[LiveEvent | None] = asyncio.Queue()
        watch = events.put_nowait
        with self._boundary():
            loop = self._begin(task, scope=scope, deps=deps, kind=kind, attachments=attachments, watch=watch)
        running = asyncio.create_task(loop.run(), name=f"run of {self.name}")
        running.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            with self._boundary():
                end = await running
            yield end
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, Exception):  # whoever reads on has been told already
                await running

    async def resume(
        self, run: str, *, scope: Scope, answer: str | None = None, deps: Deps | None = None
    ) -> End[Output]:
        """Go on with a run that waits for a person, or that a process left behind.

        What was done is not done again: results come from the journal. An effect of which nobody knows whether it
        happened is in doubt, and not repeated.

        Args:
            run: Its id.
            scope: On whose behalf it runs.
            answer: To the question of ``NeedsClarification``.
            deps: Handed on to the tools.

        Returns:
            The end. If it still waits for an approval, that end again.

        Raises:
            InputError: There is no such run of this agent for this scope, or it needs an answer.
            StateError: It has ended, or was begun with other instructions.
            ClaimLostError: Another process goes on with it.
        """
        with self._boundary():
            loop = await go_on(self, run, scope=scope, answer=answer, deps=deps)
            return await loop.run()

    def resume_sync(
        self, run: str, *, scope: Scope, answer: str | None = None, deps: Deps | None = None
    ) -> End[Output]:
        """Go on with a run and wait for its end; see ``resume``."""
        return _wait_for(self._closing(self.resume(run, scope=scope, answer=answer, deps=deps)))

    # -- as a tool of another agent --------------------------------------------------------------------------------

    def as_tool(self, description: str, *, timeout: float = 300.0) -> Tool[Deps]:
        """This agent as a tool of another one, called by this agent's name with a task in words.

        Its run is a part of the other's: under the limits of the whole tree, and with no permission that the other
        does not have. What it gives is trusted no more than the least of what it has seen.

        Args:
            description: What it is good for; the other agent's model is told.
            timeout: Seconds.

        Example:
            >>> Agent("researcher").as_tool("Looks things up.").name
            'researcher'
        """
        return agent_tool(self, description, timeout=timeout)

    # -- its versions ----------------------------------------------------------------------------------------------

    def with_instructions(self, instructions: str | Instructions) -> Agent[Deps, Output]:
        """The same agent with other instructions."""
        other = copy.copy(self)
        other.instructions = _named(instructions, self.name)
        return other

    def rolled_back_to(self, run: str, *, scope: Scope) -> Agent[Deps, Output]:
        """The same agent with the instructions that it had in a run.

        Raises:
            InputError: There is no such run of this agent for this scope, or its records were erased.
        """
        return self.with_instructions(recorded_instructions(self.journal, run, agent=self.name, scope=scope))

    # -- what a run needs of it ------------------------------------------------------------------------------------

    @cached_property
    def contexts(self) -> ContextBuilder | None:
        """Chooses what a run is given; None: the agent has no memory."""
        if self.memory is None:
            return None
        return ContextBuilder(self.memory, config=self._context, counter=self.counter)

    @cached_property
    def counter(self) -> TextCounter:
        """Counts tokens; loaded with the first run."""
        return resolve_counter(self._counter) if isinstance(self._counter, str) else self._counter

    def _begin(
        self,
        task: Any,  # noqa: ANN401
        *,
        scope: Scope,
        deps: Deps | None,
        kind: str,
        attachments: Sequence[SourcePart],
        watch: Watch | None = None,
    ) -> Loop[Output]:
        text = self._read_task(task)
        return begin(self, text, scope=scope, deps=deps, kind=kind, attachments=attachments, watch=watch)

    @contextmanager
    def _boundary(self) -> Iterator[None]:
        """Let no error out that is not typed, whatever a journal, a clock or a model of the user's raises."""
        try:
            yield
        except TercetError:
            raise
        except Exception as error:
            raise RunError(
                f"A run of agent {self.name!r} failed outside of its loop: {type(error).__name__}: {error}.",
                remedy="See what raised it: the journal, the clock, or another object that the agent was given.",
            ) from error

    def _read_task(self, task: Any) -> str:  # noqa: ANN401
        """The task as the model is told of it: text as it is, all else as JSON."""
        try:
            checked = self._input.validate_python(task)
            text = checked if isinstance(checked, str) else self._input.dump_json(checked).decode()
        except ValidationError as error:
            raise InputError(
                f"This is no task for agent {self.name!r}: {error}.", remedy="Give what its input type asks for."
            ) from error
        if not text.strip():
            raise InputError("The question is empty.", remedy="Ask something.")
        return text

    async def _closing(self, end: Coroutine[Any, Any, Result]) -> Result:
        """Await it, then close what the models of the tree have open in this event loop, which ends."""
        models = {id(self.model): self.model}
        asked_models.set(models)
        try:
            return await end
        finally:
            for model in models.values():
                await model.aclose()


def _named(instructions: str | Instructions, agent: str) -> Instructions:
    given = Instructions(text=instructions) if isinstance(instructions, str) else instructions
    return given if given.name else replace(given, name=agent)


def _model(model: ChatModel | str | None) -> ChatModel:
    if model is None:
        model = os.environ.get("TERCET_MODEL") or "extractive"
    return resolve_model(model) if isinstance(model, str) else model


def _journal(memory: Memory | None) -> Journal:
    if memory is not None:
        return memory.journal
    from tercet.memory.journal.in_memory import InMemoryJournal

    return InMemoryJournal()


def _system_clock() -> datetime:
    return datetime.now(UTC)


def _wait_for(end: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end in an event loop of its own; in a thread of its own where this thread has one running."""
    if not _in_a_loop():
        return asyncio.run(end)
    result: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(asyncio.run(end))
        except BaseException as error:  # raised again in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, name="tercet-run")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
