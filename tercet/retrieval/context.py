"""One context out of three memories: chosen under one budget, compressed, and accounted for line by line."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from tercet.errors import BudgetError, InputError
from tercet.models.counters import RunningCount, resolve_counter
from tercet.records import DocumentFilter
from tercet.retrieval.candidates import Candidates, Searches, gather
from tercet.retrieval.choosing import Choice
from tercet.retrieval.compression import Compressor
from tercet.retrieval.context_records import STORES, CandidateReport, Context, ContextItem, ContextReport
from tercet.retrieval.excerpts import arranged, fit, render
from tercet.settings import ContextConfig, EpisodicConfig, RetrievalConfig

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from tercet.memory.memory import Memory
    from tercet.models.tokens import TextCounter
    from tercet.records import Citation, Scope
    from tercet.retrieval.candidates import Candidate
    from tercet.retrieval.context_records import Outcome
    from tercet.retrieval.excerpts import Shown
    from tercet.settings import CompressionConfig

NOTHING = Candidates([], ())


class ContextBuilder:
    """Builds what an agent is given: constraints, state, history and knowledge, within a budget of tokens.

    Each store is searched by its own strategy and has its share of the budget; what one leaves over goes to the others.
    Chunks and episodes are compressed sentence by sentence, what says the same is said once, and a larger budget keeps
    all that a smaller one keeps. The same memory, question and time give the same bytes.

    Args:
        memory: What is searched.
        counter: Counts tokens: the budget holds under it. A counter, or a name for ``resolve_counter``.
        config: Budget, shares and limits.
        compression: How sentences are ranked.
        retrieval: How semantic memory is searched; expansion and diversity are those of ``config``.
        episodic: How episodic memory is searched.

    Example:
        >>> from tercet import ContextBuilder, Memory, Scope
        >>> with Memory.open("my-memory") as memory:  # doctest: +SKIP
        ...     context = ContextBuilder(memory).build("How do I rotate a key?", scope=Scope(user="ada"))
        ...     print(context.text)
        ...     print(context.report)
    """

    def __init__(
        self,
        memory: Memory,
        *,
        counter: TextCounter | str = "default",
        config: ContextConfig | None = None,
        compression: CompressionConfig | None = None,
        retrieval: RetrievalConfig | None = None,
        episodic: EpisodicConfig | None = None,
    ) -> None:
        self.config = config or ContextConfig()
        self._searches = Searches(retrieval or RetrievalConfig(), episodic or EpisodicConfig())
        self.counter = resolve_counter(counter) if isinstance(counter, str) else counter
        self._memory = memory
        self._compressor = Compressor(self.counter, lexical=memory.lexical, config=compression)

    def build(
        self,
        question: str,
        *,
        scope: Scope,
        agent: str | None = None,
        budget: int | None = None,
        where: DocumentFilter | None = None,
        window: Collection[str] = (),
        now: datetime | None = None,
    ) -> Context:
        """Choose what helps with a question.

        Args:
            question: What is to be answered. It is data, too: it only ranks.
            scope: Who reads; also the tenant whose documents may be read.
            agent: On behalf of which agent: its own state and history are read beside those of the scope. An agent
                for whom nothing was ever written in this scope gets an empty context.
            budget: Tokens; None: that of the configuration.
            where: Documents to choose from; None: those of the scope's tenant and of no tenant.
            window: Ids of items that the reader still has before it; they are not repeated. Constraints always are.
            now: For ages and recency; None: the memory's clock.

        Raises:
            InputError: The question is empty or too long, or ``where`` is of another tenant than the scope.
            BudgetError: The constraints alone have more tokens than the budget.
            EmbedderUnavailableError: The memory's embedder cannot be loaded.
        """
        budget = self.config.budget if budget is None else budget
        return self.build_sizes(
            question, budgets=[budget], scope=scope, agent=agent, where=where, window=window, now=now
        )[0]

    def build_sizes(
        self,
        question: str,
        *,
        budgets: Sequence[int],
        scope: Scope,
        agent: str | None = None,
        where: DocumentFilter | None = None,
        window: Collection[str] = (),
        now: datetime | None = None,
    ) -> tuple[Context, ...]:
        """What ``build`` gives for each of several budgets, searching and ranking once.

        Args:
            question: As for ``build``, like all that follows.
            budgets: Tokens, in any order.
            scope: Who reads.
            agent: On behalf of which agent.
            where: Documents to choose from.
            window: Ids of items that are not repeated.
            now: For ages and recency.

        Raises:
            InputError: As ``build``; also a budget that is negative.
            BudgetError: The constraints alone have more tokens than the smallest budget.
            EmbedderUnavailableError: The memory's embedder cannot be loaded.
        """
        for budget in budgets:
            if budget < 0:
                raise InputError(f"The budget is {budget} tokens.", remedy="Give 0 or more.")
        where = where or DocumentFilter(tenant=scope.tenant)
        if where.tenant != scope.tenant:
            raise InputError(
                f"The documents are of tenant {where.tenant!r}, the scope of tenant {scope.tenant!r}.",
                remedy="Give both the same tenant.",
            )
        found = NOTHING
        if agent is not None:
            scope = replace(scope, agent=agent)
        if agent is None or self._memory.knows(scope):
            found = gather(
                self._memory,
                question,
                scope=scope,
                where=where,
                config=self.config,
                searches=self._searches,
                now=now or self._memory.clock(),
                window=frozenset(window),
            )
        shares = {store: getattr(self.config, f"{store}_share") for store in STORES}
        choice = Choice(question, found.found, shares, self._compressor)
        return tuple(self._render(question, found, choice, budget) for budget in budgets)

    def _render(self, question: str, found: Candidates, choice: Choice, budget: int) -> Context:
        count = fit(choice.sources, choice.pieces, choice.order, budget=budget, counter=self.counter)
        if count < choice.pinned:
            pinned = (choice.pieces[number] for number in choice.order[: choice.pinned])
            raise BudgetError(
                f"The constraints alone have {self.counter.count(render(choice.sources, pinned))} tokens, and the "
                f"budget is {budget}.",
                remedy="Give a larger budget, or make the constraints shorter.",
            )
        kept = [choice.pieces[number] for number in choice.order[:count]]
        running = RunningCount(self.counter)
        items: dict[int, ContextItem] = {}
        text = ""
        for place, group in groupby(arranged(choice.sources, kept), key=lambda shown: shown.piece.passage):
            shown = list(group)
            written = "".join(part for one in shown for part in (one.before, choice.text(one.piece)))
            text += written
            items[place] = _item(choice, place, shown, written, tokens=running.add(written))
        report = ContextReport(
            candidates=tuple(_account(found.found, choice, items)),
            budget=budget,
            tokens=running.tokens,
            counter=self.counter.name,
        )
        return Context(
            question=question, items=tuple(items.values()), text=text, report=report, degraded=found.degraded
        )


def _item(choice: Choice, place: int, shown: Sequence[Shown], written: str, *, tokens: int) -> ContextItem:
    candidate = choice.shown[place]
    label = choice.sources.labels[place]
    spans = [(candidate.start + one.piece.unit.start, candidate.start + one.piece.unit.end) for one in shown]
    if candidate.store == "episodic":  # ``start`` is its place in the conversation
        spans = [(one.piece.unit.start, one.piece.unit.end) for one in shown]
    return ContextItem(
        number=place + 1,
        id=candidate.id,
        provenance=candidate.provenance,
        time=candidate.time,
        label=label.rstrip("\n"),
        text=written.lstrip("\n").removeprefix(label),
        spans=tuple(spans),
        pieces=tuple(choice.text(one.piece) for one in shown),
        tokens=tokens,
        pinned=candidate.pinned,
        citation=_narrowed(candidate, spans),
    )


def _narrowed(candidate: Candidate, spans: Sequence[tuple[int, int]]) -> Citation | None:
    """The citation of a document, from the first character that was kept to the last."""
    if candidate.citation is None:
        return None
    return replace(candidate.citation, start=spans[0][0], end=spans[-1][1])


def _account(
    candidates: Sequence[Candidate], choice: Choice, items: Mapping[int, ContextItem]
) -> Iterator[CandidateReport]:
    """What became of each candidate, and why."""
    units: dict[int, list[int]] = {}
    for number, piece in enumerate(choice.pieces):
        units.setdefault(piece.passage, []).append(number)
    place_of = {candidate: place for place, candidate in enumerate(choice.shown)}
    for candidate in candidates:
        place = place_of.get(candidate)
        item = None if place is None else items.get(place)
        outcome: Outcome = "dropped"
        reason = candidate.refused
        if place is not None:
            numbers = units.get(place, [])
            if item is not None:
                outcome = "kept" if len(item.pieces) == len(numbers) else "compressed"
            reason = "" if outcome == "kept" else _why(choice, numbers)
        yield CandidateReport(
            store=candidate.store,
            id=candidate.id,
            source=candidate.citation.uri if candidate.citation else candidate.provenance.source,
            outcome=outcome,
            reason=reason,
            tokens=0 if item is None else item.tokens,
            score=candidate.score,
        )


def _why(choice: Choice, numbers: Sequence[int]) -> str:
    """Why not all units of a candidate were kept."""
    if not numbers:
        return "empty"
    repeated = [choice.repeats[number] for number in numbers if number in choice.repeats]
    others = len(numbers) - len(repeated)
    reasons = []
    if repeated:
        said = ", ".join(dict.fromkeys(choice.candidate(number).id for number in repeated))
        reasons.append(f"repeats {said}")
    if others:
        reasons.append("budget")
    return "; ".join(reasons)
