"""A tool, a call of it, and what a call may come to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from tercet.models.chat_records import SourcePart  # noqa: TC001 - pydantic reads the types of outcomes
from tercet.records import Citation, Finding, Trust  # noqa: TC001

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from tercet.agents.ledger import Booking
    from tercet.models.chat_records import ToolDefinition
    from tercet.records import Scope

Deps = TypeVar("Deps")

Effect = Literal["pure", "read", "write", "irreversible"]
"""``pure`` computes. ``read`` looks at something outside and tells it nothing. ``write`` changes something, or sends
anything outside, and can be undone. ``irreversible`` cannot."""

Amounts = Callable[[Mapping[str, Any]], Mapping[str, Decimal | int]]
"""From the arguments, of the function's own types: what the call is about, by measure: ``value``, ``rows``,
``targets``, or your own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext(Generic[Deps]):
    """What a tool function is given beside its arguments, if its first parameter asks for it."""

    deps: Deps
    scope: Scope
    """On whose behalf the agent runs."""
    agent: str
    run: str
    call: str
    """Id of this call."""
    idempotency_key: str
    """The same for every attempt at the same effect: hand it on to the service that the tool calls."""
    trust: Trust
    """The least trust among what all arguments come from, content included: ``Taint.trust_of(…, with_content=True)``.
    What is written with them is trusted no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a tool function may return where a plain value says too little."""

    value: Any
    """Any JSON-able value: what the model is told."""
    sources: tuple[SourcePart, ...] = ()
    """Texts that the model may cite."""
    citations: Mapping[str, Citation] = field(default_factory=dict)
    """Where sources stand in documents, by their ids."""
    trust: Trust | None = None
    """Of this output; None: the tool's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool(Generic[Deps]):
    """A function that a model may ask for. Made by ``@tool``. Equal only to itself."""

    definition: ToolDefinition
    """Name, description and JSON schema, as the model is told."""
    effect: Effect
    function: Callable[..., Any | Awaitable[Any]]
    arguments: TypeAdapter[Any]
    """Makes of a mapping one by the function's parameters, of their types; ``schema.bind`` and ``check`` use it."""
    takes_context: bool
    reads: tuple[str, ...] = ()
    """Data sources that it reads, such as ``"semantic:docs"`` or ``"crm"``."""
    writes: tuple[str, ...] = ()
    """Systems that it changes or sends to, such as ``"mail"``."""
    content: frozenset[str] = frozenset()
    """Parameters that only carry text and steer nothing, such as the body of a mail: they may be of low trust."""
    trust: Trust = "external"
    """Of what it gives. What is only computed is trusted no more than what it is computed from, either."""
    amounts: Amounts | None = None
    timeout: float = 30.0
    """Seconds."""
    idempotency_key: Callable[[Mapping[str, Any]], str] | None = None
    """From the arguments: calls with the same key are one effect. None: each call is its own."""
    fallback: str | None = None
    """Name of the tool that is tried when this one is out of order."""
    compensation: str | None = None
    """Name of the tool that undoes this one."""

    @property
    def name(self) -> str:
        """As the model calls it."""
        return self.definition.name

    @property
    def changes(self) -> bool:
        """Whether it changes anything outside."""
        return self.effect in ("write", "irreversible")

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 -- as the function takes and gives
        """Call the function itself, for tests: nothing is checked, asked or written down."""
        return self.function(*arguments, **named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The tool ran and its output is valid."""

    value: Any
    """JSON."""
    sources: tuple[SourcePart, ...] = ()
    citations: Mapping[str, Citation] = field(default_factory=dict)
    """Where sources stand in documents, by their ids."""
    trust: Trust
    tool: str = ""
    """The fallback that ran instead; empty: the tool that was called."""
    repeated: bool = False
    """From the effect ledger: the effect had happened before and was not repeated."""
    findings: tuple[Finding, ...] = ()
    """What was taken out of the output, or made harmless in it."""
    kind: Literal["succeeded"] = "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The gate did not let it through; nothing ran."""

    step: str
    """Which step refused, such as ``"permission"``."""
    reason: str
    """For the model and the journal."""
    remedy: str = ""
    final: bool = False
    """The run must end: a limit is reached, or a loop is to be looked at by a person."""
    evidence: tuple[str, ...] = ()
    """For the person: what was tried before, a line each."""
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It ran, or tried to, and gave no valid output."""

    error: Literal["timeout", "exception", "declined", "invalid_output", "unavailable", "cancelled"]
    """``declined``: the tool says that it changed nothing (``NothingChangedError``). ``unavailable``: it was not
    called, because it is out of order."""
    reason: str
    """For the model and the journal; what the tool said is data, shortened and cleaned."""
    retryable: bool = False
    kind: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """It may or may not have happened, and is not repeated before a person has looked."""

    key: str
    reason: str
    kind: Literal["in_doubt"] = "in_doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """It waits for a person."""

    approval: str
    """Id."""
    reason: str
    kind: Literal["pending"] = "pending"


Outcome = Succeeded | Refused | Failed | InDoubt | Pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call on its way through the gate."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    """JSON, as the model gave it; after the schema step checked."""
    step: int
    """Of the run, from 1."""
    tool: Tool[Any] | None = None
    """Set by the gate; None: there is no tool of that name."""
    approval: str = ""
    """Id of the approval by which it comes again; empty: it comes for the first time."""
    trust: Trust = "external"
    """The least trust among what the arguments that steer come from; set by the trust step."""
    notes: tuple[str, ...] = field(default=())
    """Reasons why a person should be asked, gathered by permission, thresholds and trust."""
    booking: Booking | None = field(default=None, compare=False, repr=False)
    """Of one tool call, made by the budget step; settled when execution begins."""
