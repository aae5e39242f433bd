"""Search in episodic memory: what fits the question, with what was said around it, weighed by who, when and how.

Filters come first: records of other scopes, other times and those that no longer count are no candidates. What the
words and the vectors find is joined, so that either alone can bring a record in. Their scores become a relevance that
can be compared between questions (``relevance``), a turn is lifted by the turns next to it, and bounded factors for
actor, recency, importance and outcome (``boosts``) make the score.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import ConfigurationError, InputError
from tercet.memory.episodes.drafts import microseconds
from tercet.memory.episodes.indexing import AVERAGE_LENGTH
from tercet.memory.episodic import EpisodicMemory
from tercet.models.identifiers import find_tokens
from tercet.models.lexical import idf
from tercet.records import Provenance
from tercet.retrieval.actors import named_actors
from tercet.retrieval.boosts import BOOSTS, Factors, factors
from tercet.retrieval.days import Dated, named_days
from tercet.retrieval.episodic_records import EpisodeExplanation, EpisodicHit, EpisodicResult
from tercet.retrieval.explanation import QueryTerms, term_scores
from tercet.retrieval.queries import checked_query
from tercet.retrieval.relevance import Judgement, greatest_bm25, lift
from tercet.settings import EpisodicConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from tercet.memory.episodes.records import (
        EpisodeKind,
        EpisodePlace,
        EpisodeSelection,
        StoredEpisode,
    )
    from tercet.models.embedding import Embedder
    from tercet.models.lexical import TermCounts
    from tercet.records import AnyScope, Scope
    from tercet.retrieval.actors import Named
    from tercet.retrieval.days import Span
    from tercet.retrieval.episodic_records import Nothing

EXPANDED = 20
"""So many of the best records bring the turns next to them in, which may share no word with the question."""
MOST_NAMES = 4
"""Identifiers of one query that are looked up by themselves."""
RARE = 50
"""An identifier that more records hold than this tells them apart no better than a word."""
_IDENTIFIER = re.compile(r"(?=.*\d)(?=.*[^\W\d])|\d{5}|\w_\w")


class Ranked(NamedTuple):
    """A record in the order in which it will be returned."""

    order: float
    """The score, negative: so that the best is the first."""
    id: str
    row: int
    own: float
    context: float

    @property
    def relevance(self) -> float:
        """How far it fits."""
        return self.own + self.context


class Explained(NamedTuple):
    """What the explanation of a hit is made of."""

    judgement: Judgement
    terms: QueryTerms
    selection: EpisodeSelection
    weigh: Callable[[EpisodePlace], Factors]


class Asked(NamedTuple):
    """A query taken apart."""

    named: Named
    days: tuple[Span, ...]
    terms: Mapping[str, float]
    names: Mapping[str, str]
    """Term to spelling of the identifiers in it."""
    vector: NDArray[np.float32] | None


class EpisodicRetriever:
    """Searches the history of a memory.

    Args:
        memory: The store, ``memory.episodic``.
        config: Weights of the legs, floor, and bounds of the boosts. A leg of weight 0 is not searched.

    Raises:
        ConfigurationError: It is another store.

    Example:
        >>> from tercet import EpisodicRetriever, Memory, Scope
        >>> with Memory.open("my-memory") as memory:  # doctest: +SKIP
        ...     for hit in EpisodicRetriever(memory.episodic).search("refund refused", scope=Scope(user="ada")):
        ...         print(hit.when, hit.episode.actor, hit.text, hit.episode.outcome)
    """

    def __init__(self, memory: EpisodicMemory, *, config: EpisodicConfig | None = None) -> None:
        if not isinstance(memory, EpisodicMemory):
            raise ConfigurationError(
                f"EpisodicRetriever searches episodic memory, not {type(memory).__name__}.",
                remedy="Give it memory.episodic.",
            )
        self.config = config or EpisodicConfig()
        self._memory = memory

    def search(
        self,
        query: str,
        *,
        scope: Scope | AnyScope,
        limit: int = 10,
        kinds: Sequence[EpisodeKind] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        entities: Sequence[str] = (),
        as_of: datetime | None = None,
        neighbours: int = 0,
        window: Collection[str] = (),
        now: datetime | None = None,
        explain: bool = False,
    ) -> EpisodicResult:
        """Find the records that fit a query best.

        Args:
            query: What is looked for. It is data: hidden and control characters are removed first.
            scope: Who reads.
            limit: How many hits at most.
            kinds: Only these; empty: all.
            since: Happened then or later; records of unknown event time are left out.
            until: Happened then or earlier; records of unknown event time are left out.
            entities: Only records that name all of these.
            as_of: What was believed at this time, of what was recorded by then.
            neighbours: How many turns before and after a hit come with it; they obey scope and time too.
            window: Ids of records that the reader still has before it; they are not returned again.
            now: What recency is measured from; None: ``as_of``, else the clock of the memory.
            explain: Give each hit its ``EpisodeExplanation``.

        Returns:
            Hits, best first, equal scores by id; without any, the reason.

        Raises:
            InputError: The query is empty or too long, a number is out of its range, or a time has no zone.
            ConfigurationError: The settings ask for vectors alone, and the memory has no embedder.
            EmbedderUnavailableError: The memory's embedder cannot be loaded.
        """
        text = checked_query(query, limit)
        if isinstance(neighbours, bool) or not isinstance(neighbours, int) or neighbours < 0:
            raise InputError(f"neighbours must be a whole number of at least 0, got {neighbours!r}.")
        embedder = self._embedder()
        selection = self._memory.select(scope, kinds=kinds, since=since, until=until, entities=entities, as_of=as_of)
        if selection.empty:
            return EpisodicResult(query=text, hits=(), reason="nothing recorded")
        with_vector, total = self._memory.coverage(selection) if embedder else (0, 0)
        moment = now or as_of or self._memory.clock()
        asked = self._ask(text, selection, embedder if with_vector else None, moment)
        judgement, weights = self._judge(asked, selection, max(self.config.candidates, limit))
        own = judgement.own(judgement.rows())
        if self.config.context and not kinds and not entities:  # the turns next to a hit need not have them
            judgement = self._expand(judgement, own, asked, weights, selection)
            own.update(judgement.own(row for row in judgement.rows() if row not in own))
        weigh = factors(self.config, now=microseconds(moment), actors=asked.named.actors, days=asked.days)
        ranked = self._rank(own, selection, weigh)
        fitting = [one for one in ranked if one.relevance >= self.config.floor and one.relevance > 0]
        explained = Explained(judgement, QueryTerms(asked.terms, weights), selection, weigh) if explain else None
        hits = self._hits(fitting, limit, frozenset(window), explained)
        if neighbours:
            hits = self._with_neighbours(hits, selection, neighbours, frozenset(window))
        return EpisodicResult(
            query=text,
            hits=tuple(hit for _, hit in hits),
            reason=_reason(bool(hits), fitting, ranked),
            best=max((one.relevance for one in ranked), default=0.0),
            degraded=self._degraded(embedder, with_vector, total),
            actors=tuple(sorted(asked.named.actors)),
        )

    # -- candidates --------------------------------------------------------------------------------------------------

    def _embedder(self) -> Embedder | None:
        if not self.config.dense_weight:
            return None
        embedder = self._memory.embedder
        if embedder is None and not self.config.lexical_weight:
            raise ConfigurationError(
                "EpisodicConfig(lexical_weight=0) needs dense vectors, and this memory has no embedder.",
                remedy="Leave it out, or give the memory an embedder: tercet embed --embedder all-MiniLM-L6-v2",
            )
        return embedder

    def _degraded(self, embedder: Embedder | None, with_vector: int, total: int) -> tuple[str, ...]:
        if not self.config.dense_weight or (embedder and with_vector == total):
            return ()
        return (f"dense {100 * with_vector // total} %",) if embedder else ("dense",)

    def _ask(self, text: str, selection: EpisodeSelection, embedder: Embedder | None, moment: datetime) -> Asked:
        analyzer = self._memory.analyzer
        actors = self._memory.actors(selection) if self.config.actor_boost else []
        named = named_actors(text, actors, is_word=lambda word: bool(analyzer.terms(word)))
        if not analyzer.terms(named.rest):  # who asks for nothing but a name means the name
            named = named._replace(rest=text)
        dated = named_days(named.rest, moment) if self.config.day_boost else Dated((), named.rest)
        meant = dated.rest if analyzer.terms(dated.rest) else named.rest
        names: dict[str, str] = {}
        for token in find_tokens(dated.rest):
            if _IDENTIFIER.search(token) and (held := analyzer.terms(token)):
                names.setdefault(held[0], token)
        vector = embedder.embed_query(meant) if embedder else None
        terms = analyzer.query(named.rest) if self.config.lexical_weight else {}
        return Asked(named, dated.spans, terms, names, vector)

    def _judge(self, asked: Asked, selection: EpisodeSelection, limit: int) -> tuple[Judgement, Mapping[str, float]]:
        config = self.config
        found = self._memory.lexical_candidates(asked.terms, selection, limit=limit)
        dense = [] if asked.vector is None else self._memory.dense_candidates(asked.vector, selection, limit=limit)
        names: dict[int, tuple[str, ...]] = {}
        missing = {candidate.row for candidate in found.candidates if not candidate.has_vector}
        rare = {
            term: spelling
            for term, spelling in asked.names.items()
            if found.idf.get(term, 0.0) >= idf(RARE, selection.total)
        }
        for term, spelling in list(rare.items())[:MOST_NAMES]:
            for candidate in self._memory.lexical_candidates({term: 1}, selection, limit=RARE).candidates:
                names[candidate.row] = (*names.get(candidate.row, ()), spelling)
                missing |= set() if candidate.has_vector else {candidate.row}
        k1 = self._memory.lexical.k1
        judgement = Judgement(
            lexical={one.row: one.score for one in found.candidates} if config.lexical_weight else None,
            dense=None if asked.vector is None else {one.row: one.score for one in dense},
            greatest=greatest_bm25(asked.terms, found.idf, documents=selection.total, k1=k1),
            lexical_weight=config.lexical_weight,
            dense_weight=config.dense_weight,
            without_vector=frozenset(missing - {one.row for one in dense}),
            names=names,
            asked_names=min(MOST_NAMES, len(rare)),
        )
        return judgement, found.idf

    def _expand(
        self,
        judgement: Judgement,
        own: Mapping[int, float],
        asked: Asked,
        weights: Mapping[str, float],
        selection: EpisodeSelection,
    ) -> Judgement:
        """Judge the turns next to the best records too, by their terms and vectors."""
        best = sorted(own, key=lambda row: (-own[row], row))[:EXPANDED]
        around = self._memory.around(best, selection)
        rows = sorted({row for beside in around.values() for row in beside} - own.keys())
        if not rows:
            return judgement
        terms = QueryTerms(asked.terms, weights)
        words: dict[int, float] = {}
        cosines: dict[int, float] = {}
        for row, (held, vector) in self._memory.contents(rows).items():
            if parts := self._parts(held, AVERAGE_LENGTH, terms):
                words[row] = sum(parts.values())
            if asked.vector is not None and vector is not None:
                cosines[row] = float(vector @ asked.vector)
        return judgement.including(rows, words, cosines)

    def _parts(self, held: TermCounts, average_length: float, terms: QueryTerms) -> dict[str, float]:
        return term_scores(terms, held, average_length=average_length, lexical=self._memory.lexical)

    # -- order -------------------------------------------------------------------------------------------------------

    def _rank(
        self, own: Mapping[int, float], selection: EpisodeSelection, weigh: Callable[[EpisodePlace], Factors]
    ) -> list[Ranked]:
        places = selection.places
        lifts = lift(own, places, context=self.config.context)
        ranked = []
        for row, fits in own.items():
            place, context = places[row], lifts[row]
            ranked.append(Ranked(-((fits + context) * math.prod(weigh(place))), place.id, row, fits, context))
        return sorted(ranked)

    def _hits(
        self, ranked: Sequence[Ranked], limit: int, window: frozenset[str], explained: Explained | None
    ) -> list[tuple[int, EpisodicHit]]:
        """Read only what is returned; what was erased meanwhile gives way to the next."""
        fresh = [one for one in ranked if one.id not in window]
        hits: list[tuple[int, EpisodicHit]] = []
        position = 0
        while len(hits) < limit and position < len(fresh):
            some = fresh[position : position + limit - len(hits)]
            position += len(some)
            stored = self._memory.load([one.row for one in some])
            hits.extend((one.row, self._hit(stored[one.row], one, explained)) for one in some if one.row in stored)
        return hits

    def _hit(self, stored: StoredEpisode, ranked: Ranked, explained: Explained | None) -> EpisodicHit:
        explanation = None
        if explained is not None:
            judgement, terms, selection, weigh = explained
            explanation = EpisodeExplanation(
                legs=tuple(
                    replace(leg, terms=self._parts(stored.terms, stored.average_length, terms))
                    if leg.leg == "lexical" and leg.rank
                    else leg
                    for leg in judgement.legs(ranked.row)
                ),
                own=ranked.own,
                context=ranked.context,
                boosts=dict(zip(BOOSTS, weigh(selection.places[ranked.row]), strict=True)),
                names=judgement.names.get(ranked.row, ()),
            )
        episode = stored.episode
        return EpisodicHit(
            episode=episode,
            score=-ranked.order,
            relevance=ranked.relevance,
            provenance=Provenance(store="episodic", source=episode.id, trust=episode.trust),
            explanation=explanation,
        )

    def _with_neighbours(
        self,
        hits: Sequence[tuple[int, EpisodicHit]],
        selection: EpisodeSelection,
        reach: int,
        window: frozenset[str],
    ) -> list[tuple[int, EpisodicHit]]:
        """Add the turns around each hit, each turn once: not what is a hit itself or is in the window."""
        around = self._memory.around([row for row, _ in hits], selection, reach=reach)
        stored = self._memory.load(sorted({row for beside in around.values() for row in beside}))
        told = window | {hit.episode.id for _, hit in hits}
        found = []
        for row, hit in hits:
            beside = [stored[near].episode for near in around[row] if near in stored]
            beside = [episode for episode in beside if episode.id not in told]
            told |= {episode.id for episode in beside}
            found.append((row, replace(hit, neighbours=tuple(beside))))
        return found


def _reason(found: bool, fitting: Sequence[Ranked], ranked: Sequence[Ranked]) -> Nothing:
    if found:
        return ""
    if fitting:
        return "in the window"
    return "below the floor" if ranked else "nothing found"
