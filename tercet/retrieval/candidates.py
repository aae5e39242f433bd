"""What each store offers for a context, before any budget: candidates with their labels, and those refused at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from tercet.memory.patches import canonical
from tercet.records import DocumentFilter, Provenance
from tercet.retrieval.episodic import EpisodicRetriever
from tercet.retrieval.semantic import SemanticRetriever
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tercet.memory.episodes.records import Episode
    from tercet.memory.memory import Memory
    from tercet.memory.patches import JsonObject
    from tercet.memory.working.records import WorkingDocument
    from tercet.records import Citation, Hit, Scope
    from tercet.retrieval.context_records import Store
    from tercet.retrieval.episodic_records import EpisodicHit
    from tercet.settings import ContextConfig, EpisodicConfig, RetrievalConfig

TOO_OLD = "too old"
IRRELEVANT = "below the least relevance"
IN_WINDOW = "still in the window"
SAME_SECTION = "in the section of a better chunk"


class Candidate(NamedTuple):
    """A record that may enter a context."""

    store: Store
    id: str
    provenance: Provenance
    text: str
    about: str
    """What the label says of it beside store, source and trust."""
    score: float = 0.0
    title: str = ""
    time: datetime | None = None
    pinned: bool = False
    group: str = ""
    """What it was cut from: candidates of one group are shown in the order of ``start``."""
    start: int = 0
    """Where ``text`` starts in what it was cut from."""
    citation: Citation | None = None
    refused: str = ""
    """Why it cannot enter; empty: it can."""


class Searches(NamedTuple):
    """How the stores that are searched by likeness are searched."""

    semantic: RetrievalConfig
    """Expansion and diversity are those of the context."""
    episodic: EpisodicConfig


class Candidates(NamedTuple):
    """All candidates, by store in the order of rank, and what retrieval lacked."""

    found: list[Candidate]
    degraded: tuple[str, ...]


def gather(
    memory: Memory,
    question: str,
    *,
    scope: Scope,
    where: DocumentFilter,
    config: ContextConfig,
    searches: Searches,
    now: datetime,
    window: Collection[str],
) -> Candidates:
    """Ask every store that has a share, each by its own strategy."""
    found: list[Candidate] = []
    degraded: list[str] = []
    if config.working_share:
        found += _working(memory, scope, config, now)
    if config.episodic_share:
        history = EpisodicRetriever(memory.episodic, config=searches.episodic).search(
            question, scope=scope, limit=config.episodic_candidates, now=now
        )
        degraded += history.degraded
        found += [_episode(hit, config, now, window) for hit in history]
    if config.semantic_share:
        expand: Literal["none", "parent"] = "parent" if config.expand else "none"
        retrieval = replace(searches.semantic, expand=expand, diversity=config.diversity)
        knowledge = SemanticRetriever(memory.semantic, config=retrieval).search(
            question, limit=config.semantic_candidates, where=where
        )
        degraded += [lack for lack in knowledge.degraded if lack not in degraded]
        found += _documents(knowledge.hits, config, window)
    return Candidates(found, tuple(degraded))


def _working(memory: Memory, scope: Scope, config: ContextConfig, now: datetime) -> list[Candidate]:
    """The fields of the newest documents, and the constraints of all: these are pinned."""
    found = []
    for place, document in enumerate(memory.working.documents(scope)):
        recent = place < config.working_candidates
        old = _is_old(document.updated_at, config, now)
        for field in document.value:
            constraint = field in document.constraints
            if constraint or recent:
                found.append(_field(document, field, pinned=constraint, refused=TOO_OLD if old else ""))
    # Constraints come first, in an order that no write to another field changes.
    return sorted(found, key=lambda one: (not one.pinned, one.id if one.pinned else ""))


def _field(document: WorkingDocument[JsonObject], field: str, *, pinned: bool, refused: str) -> Candidate:
    pointer = "/" + field.replace("~", "~0").replace("/", "~1")
    # A constraint never changes, so the version it was read in says nothing.
    version = "" if pinned else f"@{document.version}"
    source = f"{document.key}{version}#{pointer}"
    owner = document.owners.get(field, document.created_by)
    return Candidate(
        store="working",
        id=source,
        provenance=Provenance(store="working", source=source, trust=document.trusts[field]),
        text=_clean(f"{field}: {canonical(document.value[field])}"),
        about="constraint" if pinned else f"owner {owner}, {_time(document.updated_at)}",
        time=document.created_at if pinned else document.updated_at,
        pinned=pinned,
        group=document.key,
        refused="" if pinned else refused,
    )


def _episode(hit: EpisodicHit, config: ContextConfig, now: datetime, window: Collection[str]) -> Candidate:
    episode = hit.episode
    refused = ""
    if episode.id in window:
        refused = IN_WINDOW
    elif hit.relevance < config.min_relevance:
        refused = IRRELEVANT
    elif _is_old(episode.happened, config, now) and not episode.pinned:
        refused = TOO_OLD
    return Candidate(
        store="episodic",
        id=episode.id,
        provenance=Provenance(store="episodic", source=episode.id, trust=hit.provenance.trust),
        text=_clean(episode.text),
        about=_about(episode),
        score=hit.relevance,
        time=episode.occurred_at,
        group=episode.conversation,
        start=episode.ordinal,
        refused=refused,
    )


def _about(episode: Episode) -> str:
    parts = [episode.actor, _time(episode.occurred_at) if episode.occurred_at else "time unknown"]
    if episode.outcome:
        parts.append(f"outcome: {episode.outcome}")
    parts += [f"{episode.text[date.start : date.end]} = {date}" for date in episode.dates]
    return ", ".join(part for part in parts if part)


def _documents(hits: Sequence[Hit], config: ContextConfig, window: Collection[str]) -> Iterator[Candidate]:
    sections: set[tuple[str, int]] = set()
    for hit in hits:
        citation = hit.citation
        refused = ""
        text, start = hit.text, citation.start
        if config.expand and hit.context:
            text, start = hit.context, hit.context_start
        section = (f"{citation.corpus}/{citation.version}/{citation.uri}", start)
        if hit.chunk_id in window:
            refused = IN_WINDOW
        elif hit.score < config.min_relevance:
            refused = IRRELEVANT
        elif config.expand and section in sections:
            refused = SAME_SECTION
        else:
            sections.add(section)
        yield Candidate(
            store="semantic",
            id=hit.chunk_id,
            provenance=hit.provenance,
            text=text,
            about=" > ".join(citation.heading_path) or citation.title,
            score=hit.score,
            title=" ".join(dict.fromkeys((citation.title, *citation.heading_path))).strip(),
            group=section[0],
            start=start,
            citation=citation,
            refused=refused,
        )


def label_of(candidate: Candidate) -> str:
    """What is shown above a candidate beside its number: store, source, what it is about, trust; one line."""
    source = candidate.citation.uri if candidate.citation else candidate.provenance.source
    if candidate.store == "episodic":
        source = source[:8]  # enough to tell the episodes of one context apart; ``ContextItem.id`` has all of it
    parts = [candidate.store, source, candidate.about, candidate.provenance.trust]
    line = " | ".join(part for part in parts if part)
    return " ".join(_clean(line).split())


def _is_old(time: datetime, config: ContextConfig, now: datetime) -> bool:
    return config.max_age_s is not None and now - time > timedelta(seconds=config.max_age_s)


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _clean(text: str) -> str:
    """Without hidden and control characters, which documents lose when they are ingested."""
    return sanitize(text)[0]
