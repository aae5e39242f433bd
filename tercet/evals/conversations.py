"""Memory measured: which turns of a conversation a question finds, and whether it is silent when none answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from tercet.evals.abstention import (
    ABSTENTION_ACCURACY,
    ABSTENTION_PRECISION,
    ABSTENTION_RECALL,
    Attempt,
    risk_coverage_curve,
)
from tercet.evals.asking import ask
from tercet.evals.contexts import Contexts, retention
from tercet.evals.measured import Measured, curves_of, lacks, ranked_values
from tercet.evals.records import SHOWN_TEXTS, Outcome, RankedItem
from tercet.memory.episodes.records import Turn
from tercet.records import Progress, Scope
from tercet.retrieval.episodic import EpisodicRetriever

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tercet.evals.asking import Answers
    from tercet.evals.configuration import EvalConfiguration
    from tercet.evals.datasets import Conversation, ConversationDataset, ConversationQuestion, ConversationTurn, Session
    from tercet.evals.measures import Measure
    from tercet.memory.memory import Memory
    from tercet.retrieval.context_records import Context
    from tercet.retrieval.episodic_records import EpisodicResult

ANSWERED_FROM = 10
"""Hits that an answer is taken to be made from."""
PACE = timedelta(seconds=30)
"""Between two turns of a session, whose own times data sets do not give."""
_FORMS = ("%I:%M %p on %d %B, %Y", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


Places = Mapping[str, Mapping[str, tuple[str, str]]]
"""By conversation, then episode id: the data set's ids of the turn and of its session."""


def session_time(session: Session) -> datetime | None:
    """When a session began; None where its date is missing or written in an unknown form.

    Example:
        >>> from tercet.evals.datasets import Session
        >>> session_time(Session(id="1", date="1:56 pm on 8 May, 2023", turns=())).isoformat()
        '2023-05-08T13:56:00+00:00'
    """
    for form in _FORMS:
        try:
            return datetime.strptime(session.date.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def last_time(conversations: Iterable[Conversation]) -> datetime | None:
    """When the last turn was said; None where no session has a date."""
    times = [
        began + PACE * max(0, len(_said(session)) - 1)
        for conversation in conversations
        for session in conversation.sessions
        if (began := session_time(session)) is not None
    ]
    return max(times, default=None)


def scope_of(conversation: str) -> Scope:
    """Whose memory a conversation is."""
    return Scope(user=conversation)


def record(
    dataset: ConversationDataset, memory: Memory, *, progress: Callable[[Progress], None] | None = None
) -> Places:
    """Record every conversation, each session under its name; recording it again changes nothing."""
    places: dict[str, dict[str, tuple[str, str]]] = {}
    for done, conversation in enumerate(dataset.conversations, start=1):
        held = places.setdefault(conversation.id, {})
        for session in conversation.sessions:
            said = _said(session)
            began = session_time(session)
            turns = [
                Turn(
                    actor=turn.speaker,
                    text=turn.text,
                    occurred_at=None if began is None else began + PACE * place,
                    metadata={"turn": turn.id, "session": session.id},
                )
                for place, turn in said
            ]
            ids = memory.episodic.record_turns(
                turns, scope=scope_of(conversation.id), conversation=session.id, embed=False
            )
            held.update({key: (turn.id, session.id) for key, (_, turn) in zip(ids, said, strict=True)})
        if progress:
            progress(Progress(phase="record", done=done, total=len(dataset.conversations)))
    memory.episodic.embed_missing(progress=progress)
    return places


def measure_conversations(
    dataset: ConversationDataset,
    memory: Memory,
    configuration: EvalConfiguration,
    *,
    measures: Sequence[Measure],
    progress: Callable[[Progress], None] | None = None,
) -> Measured:
    """Record all turns and ask all questions, each after the end of its conversation.

    Args:
        dataset: Conversations and questions.
        memory: Where the turns are recorded.
        configuration: How it is searched; ``episodic.floor`` decides when nothing is found.
        measures: What is computed of each ranking of turns or sessions.
        progress: Called after each conversation and question.
    """
    places = record(dataset, memory, progress=progress)
    ends = {one.id: last_time([one]) for one in dataset.conversations}
    asked = {one.id: one for one in dataset.questions}
    retriever = EpisodicRetriever(memory.episodic, config=configuration.episodic)
    contexts = Contexts(memory, configuration, configuration.budgets or ())

    def search(key: str, text: str) -> EpisodicResult:
        scope, now = scope_of(asked[key].conversation), ends[asked[key].conversation]
        return retriever.search(text, scope=scope, limit=configuration.hits, now=now)

    def then(key: str, text: str, _result: EpisodicResult) -> None:
        if asked[key].answerable:
            conversation = asked[key].conversation
            contexts.build(key, text, scope=scope_of(conversation), now=ends[conversation])

    answers = ask({key: one.text for key, one in asked.items()}, search, then=then, progress=progress)
    rankings = {key: _ranking(asked[key], result, places) for key, result in answers.found.items()}
    qrels = {key: dict.fromkeys(one.evidence, 1) for key, one in asked.items() if one.evidence and one.answerable}
    run = {key: {item.id: item.score for item in ranking} for key, ranking in rankings.items()}
    values, recall = ranked_values(measures, qrels, run, deepest=configuration.hits)
    unanswerable = any(not one.answerable for one in dataset.questions)
    outcomes = []
    for key, question in asked.items():
        outcome = Outcome(
            id=key,
            text=question.text,
            ranking=rankings.get(key, ()),
            values={
                **values.get(key, {}),
                **_abstention(question, answers.found.get(key), unanswerable=unanswerable),
            },
            relevant=tuple(sorted(question.evidence)),
            slices={"category": question.category} if question.category else {},
            answerable=question.answerable,
            seconds=answers.seconds.get(key),
            error=answers.errors.get(key, ""),
        )
        if key in qrels:
            held = {episode: _unit(question, place) for episode, place in places[question.conversation].items()}
            outcome = contexts.judged(
                outcome,
                evidence=question.evidence,
                stored=set(held.values()),
                found={item.id for item in outcome.ranking[: configuration.context.episodic_candidates]},
                holds=partial(_held_by, held),
            )
        outcomes.append(outcome)
    risk = risk_coverage_curve(_attempts(dataset, answers, rankings)) if unanswerable and answers.found else ()
    return Measured(
        outcomes=tuple(outcomes),
        curves=curves_of(recall=recall, retention=retention(outcomes, contexts.budgets), risk=risk),
        warnings=lacks(lack for result in answers.found.values() for lack in result.degraded),
    )


def _held_by(held: Mapping[str, str], context: Context) -> set[str]:
    """Turns or sessions of which a context holds a piece."""
    return {held[item.id] for item in context.items if item.id in held}


def _abstention(
    question: ConversationQuestion, result: EpisodicResult | None, *, unanswerable: bool
) -> dict[str, float]:
    """Values whose means are accuracy, precision and recall: of all questions, if there are unanswerable ones among
    them, of those that were abstained from, and of those that nothing answers. A search that failed abstained from
    nothing.
    """
    values: dict[str, float] = {}
    abstained = result is not None and result.nothing_relevant
    if unanswerable:
        values[ABSTENTION_ACCURACY] = float(abstained != question.answerable)
    if abstained:
        values[ABSTENTION_PRECISION] = float(not question.answerable)
    if not question.answerable:
        values[ABSTENTION_RECALL] = float(abstained)
    return values


def _attempts(
    dataset: ConversationDataset, answers: Answers[EpisodicResult], rankings: Mapping[str, Sequence[RankedItem]]
) -> list[Attempt]:
    """An answer is taken for right when a piece of its evidence is among the first ten hits."""
    return [
        Attempt(
            answerable=one.answerable,
            confidence=answers.found[one.id].best,
            correct=bool(one.evidence & {item.id for item in rankings[one.id][:ANSWERED_FROM]}),
        )
        for one in dataset.questions
        if one.id in answers.found
    ]


def _said(session: Session) -> list[tuple[int, ConversationTurn]]:
    """Turns with words in them, and their places among all."""
    return [(place, turn) for place, turn in enumerate(session.turns) if turn.text.strip()]


def _unit(question: ConversationQuestion, place: tuple[str, str]) -> str:
    turn, session = place
    return turn if question.unit == "turn" else session


def _ranking(question: ConversationQuestion, result: EpisodicResult, places: Places) -> tuple[RankedItem, ...]:
    """Turns, or sessions in the order in which the hits first name them."""
    held = places[question.conversation]
    best: dict[str, RankedItem] = {}
    for hit in result:
        key = _unit(question, held[hit.episode.id])
        if key not in best:
            best[key] = RankedItem(id=key, score=hit.score, text=hit.text if len(best) < SHOWN_TEXTS else "")
    return tuple(best.values())
