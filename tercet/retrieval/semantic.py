"""Search in semantic memory: BM25 and dense candidates, fused into one ranking, each hit cited and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import numpy as np

from tercet.errors import ConfigurationError
from tercet.memory.selection import has_values
from tercet.models.lexical import Analyzer
from tercet.records import Citation, DocumentFilter, Hit, Provenance, SearchResult
from tercet.retrieval.diversity import maximal_marginal_relevance
from tercet.retrieval.explanation import Explainer, QueryTerms
from tercet.retrieval.fusion import FusedChunk, Leg, fuse
from tercet.retrieval.queries import checked_query
from tercet.retrieval.rerank import Reranker, rerank_scores
from tercet.settings import RetrievalConfig

if TYPE_CHECKING:
    from tercet.memory.semantic import SemanticMemory
    from tercet.memory.stored import Selection, StoredChunk
    from tercet.models.embedding import Embedder

_IN_FRAGMENTS = "/?:@!$&'()*+,;=-._~"
DIVERSITY_POOL = 5
"""Diversity picks among this many times the hits asked for."""


class Ordered(NamedTuple):
    """Chunks in the order in which they will be returned."""

    chunks: list[FusedChunk]
    rerank_scores: dict[int, float]
    """By row; empty without a reranker."""
    stored: dict[int, StoredChunk]
    """What has been read back already, by row."""

    def score(self, chunk: FusedChunk) -> float:
        """What a hit is returned with."""
        return self.rerank_scores.get(chunk.row, chunk.score)


class SemanticRetriever:
    """Searches the documents of a memory by words and by meaning.

    Args:
        memory: The store, ``memory.semantic``.
        config: Fusion, leg weights, floor, expansion and diversity. A leg of weight 0 is not searched.
        reranker: Orders the best hits again; its scores then replace the fused ones.
        rerank_depth: How many of the fused hits the reranker reads (more when more hits are asked for).

    Example:
        >>> from tercet import Memory, SemanticRetriever
        >>> with Memory.open("my-memory") as memory:  # doctest: +SKIP
        ...     for hit in SemanticRetriever(memory.semantic).search("rotate an API key", limit=3):
        ...         print(hit.score, hit.citation)
    """

    def __init__(
        self,
        memory: SemanticMemory,
        *,
        config: RetrievalConfig | None = None,
        reranker: Reranker | None = None,
        rerank_depth: int = 50,
    ) -> None:
        if rerank_depth < 1:
            raise ConfigurationError(f"rerank_depth must be at least 1, got {rerank_depth}.")
        self.config = config or RetrievalConfig()
        self._memory = memory
        self._reranker = reranker
        self._rerank_depth = rerank_depth
        self._analyzer = Analyzer(memory.lexical)

    def search(
        self, query: str, *, limit: int = 10, where: DocumentFilter | None = None, explain: bool = False
    ) -> SearchResult:
        """Find the chunks that answer a query best.

        Args:
            query: What is looked for, in any words. It is data: hidden and control characters are removed first.
            limit: How many hits at most; exactly as many when that many exist. Above ``config.candidates`` the legs
                give as many candidates as hits are asked for, which can change scores a little.
            where: What may be searched; a document that it excludes is never returned.
            explain: Give each hit its ``Explanation``.

        Returns:
            Hits, best first, equal scores by chunk id. ``degraded`` names what was missing: ``"dense"`` (no embedder),
            ``"dense 43 %"`` (vectors still to come), ``"diversity"`` (not applied, some vectors are missing).

        Raises:
            InputError: The query is empty, or longer than 32,000 characters, or ``limit`` is below 1.
            ConfigurationError: The settings ask for vectors and the memory has no embedder.
            EmbedderUnavailableError: The memory's embedder cannot be loaded.
        """
        text = checked_query(query, limit)
        selection = self._memory.select(where or DocumentFilter())
        legs, terms, degraded = self._legs(text, selection, max(self.config.candidates, limit))
        ranking = fuse(legs, method=self.config.fusion, rrf_k=self.config.rrf_k)
        fused = [chunk for chunk in ranking.chunks if chunk.score >= self.config.floor]
        ordered = self._rerank(text, fused, limit)
        if self.config.diversity:
            ordered, complete = self._diversify(ordered, limit)
            degraded = degraded if complete else (*degraded, "diversity")
        explainer = Explainer(ranking, terms, fusion=self.config.fusion, lexical=self._memory.lexical)
        hits = self._hits(ordered, limit, where or DocumentFilter(), explainer if explain else None)
        return SearchResult(query=text, hits=hits, degraded=degraded)

    # -- candidates --------------------------------------------------------------------------------------------------

    def _legs(self, text: str, selection: Selection, limit: int) -> tuple[list[Leg], QueryTerms, tuple[str, ...]]:
        legs: list[Leg] = []
        terms = QueryTerms({}, {})
        degraded: tuple[str, ...] = ()
        embedder = self._embedder()
        if self.config.lexical_weight:
            asked = self._analyzer.query(text)
            found = self._memory.lexical_candidates(asked, selection, limit=limit)
            terms = QueryTerms(asked, found.idf)
            legs.append(
                Leg(
                    name="lexical",
                    weight=self.config.lexical_weight,
                    candidates=found.candidates,
                    searched=bool(asked),  # a query of stop words says nothing about any chunk
                )
            )
        if self.config.dense_weight and embedder is None:
            degraded = ("dense",)
        elif self.config.dense_weight and embedder is not None:
            with_vector, total = self._memory.coverage(selection)
            if with_vector < total:
                degraded = (f"dense {100 * with_vector // total} %",)
            candidates = (
                self._memory.dense_candidates(embedder.embed_query(text), selection, limit=limit) if with_vector else []
            )
            legs.append(
                Leg(
                    name="dense",
                    weight=self.config.dense_weight,
                    candidates=candidates,
                    searched=bool(with_vector),
                )
            )
        return legs, terms, degraded

    def _embedder(self) -> Embedder | None:
        config = self.config
        if not (config.dense_weight or config.diversity):
            return None
        embedder = self._memory.embedder
        if embedder is None and (config.diversity or not config.lexical_weight):
            asked = "diversity" if config.diversity else "lexical_weight=0"
            raise ConfigurationError(
                f"RetrievalConfig({asked}) needs dense vectors, and this memory has no embedder.",
                remedy="Leave it out, or give the memory an embedder: tercet embed --embedder all-MiniLM-L6-v2",
            )
        return embedder

    # -- order -------------------------------------------------------------------------------------------------------

    def _rerank(self, text: str, fused: list[FusedChunk], limit: int) -> Ordered:
        if self._reranker is None:
            return Ordered(fused, {}, {})
        depth = max(self._rerank_depth, limit * DIVERSITY_POOL if self.config.diversity else limit)
        stored = self._memory.load([chunk.row for chunk in fused[:depth]])
        head = [chunk for chunk in fused[:depth] if chunk.row in stored]
        texts = [stored[chunk.row].chunk.embedded_text for chunk in head]
        scores = rerank_scores(self._reranker, text, texts) if texts else []
        by_row = dict(zip((chunk.row for chunk in head), scores, strict=True))
        head.sort(key=lambda chunk: (-by_row[chunk.row], chunk.chunk_id, chunk.row))
        return Ordered(head, by_row, stored)

    def _diversify(self, ordered: Ordered, limit: int) -> tuple[Ordered, bool]:
        """Reorder the best of the ranking; False when vectors that this needs are missing and the order was kept."""
        size = limit * DIVERSITY_POOL
        pool, rest = ordered.chunks[:size], ordered.chunks[size:]
        vectors = self._memory.vectors([chunk.row for chunk in pool])
        if any(chunk.row not in vectors for chunk in pool):
            return ordered, False
        if not pool:
            return ordered, True
        relevance = [ordered.score(chunk) for chunk in pool]
        if self._reranker is not None or self.config.fusion == "rrf":  # their scales are not that of a cosine
            low, width = relevance[-1], relevance[0] - relevance[-1]
            relevance = [(score - low) / width if width else 1.0 for score in relevance]
        matrix = np.stack([vectors[chunk.row] for chunk in pool])
        order = maximal_marginal_relevance(relevance, matrix, diversity=self.config.diversity, limit=len(pool))
        return ordered._replace(chunks=[pool[position] for position in order] + rest), True

    # -- hits --------------------------------------------------------------------------------------------------------

    def _hits(
        self, ordered: Ordered, limit: int, where: DocumentFilter, explainer: Explainer | None
    ) -> tuple[Hit, ...]:
        """Read only the chunks that are returned; one that another process has just removed gives way to the next."""
        hits: list[Hit] = []
        position = 0
        while len(hits) < limit and position < len(ordered.chunks):
            batch = ordered.chunks[position : position + limit - len(hits)]
            position += len(batch)
            stored = ordered.stored or self._memory.load([chunk.row for chunk in batch])
            hits.extend(
                self._hit(stored[chunk.row], ordered.score(chunk), ordered.rerank_scores.get(chunk.row), explainer)
                for chunk in batch
                if chunk.row in stored and has_values(stored[chunk.row].metadata, where.equals)
            )
        return tuple(hits)

    def _hit(self, stored: StoredChunk, score: float, rerank_score: float | None, explainer: Explainer | None) -> Hit:
        chunk = stored.chunk
        start, context = self._memory.section(stored.row) if self.config.expand == "parent" else (0, "")
        return Hit(
            chunk_id=chunk.id,
            text=chunk.text,
            score=score,
            citation=Citation(
                uri=stored.uri,
                corpus=stored.corpus,
                version=stored.version,
                title=stored.title,
                heading_path=chunk.heading_path,
                anchor=chunk.anchor,
                start=chunk.start,
                end=chunk.end,
                line_start=chunk.line_start,
                line_end=chunk.line_end,
                url=_address(stored.url, chunk.anchor),
            ),
            provenance=Provenance(store="semantic", source=stored.uri, trust=stored.trust),
            metadata=stored.metadata,
            explanation=explainer.explain(stored, rerank_score) if explainer else None,
            context=context,
            context_start=start,
        )


def _address(url: str, anchor: str) -> str:
    """The page's address with the anchor as a fragment."""
    return f"{url}#{quote(anchor, safe=_IN_FRAGMENTS)}" if url and anchor else url
