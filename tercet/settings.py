"""Configuration as frozen records: stored with a memory, hashed into what was made with it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Literal

from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import DataclassInstance

Fusion = Literal["dbsf", "rrf", "minmax"]
Durability = Literal["process", "power"]
"""``process``: acknowledged writes survive kill -9. ``power``: they survive power loss too, at a flush per commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkingConfig:
    """How documents are cut."""

    max_tokens: int = 256
    """Cap for a chunk's embedded text (title, heading path, lead, text, special tokens) in the embedder's tokens."""

    def __post_init__(self) -> None:
        if self.max_tokens < 16:
            raise ConfigurationError(
                f"chunk size max_tokens={self.max_tokens} is too small to hold a heading and a sentence.",
                remedy="Use at least 16; 128 to 256 suits all-MiniLM-L6-v2.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsingConfig:
    """What is taken from files."""

    notebook_outputs: bool = False
    """Text that code cells of notebooks printed or returned, tables included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalConfig:
    """How words are found and weighted by the BM25 leg."""

    language: str = "english"
    """Snowball language for stems and stop words, or ``"none"`` for neither."""
    k1: float = 1.2
    b: float = 0.75
    split_identifiers: bool = True
    """Index ``getUserName`` also as get, user, name."""

    def __post_init__(self) -> None:
        if self.k1 < 0 or not 0 <= self.b <= 1:
            raise ConfigurationError(f"BM25 needs k1 >= 0 and 0 <= b <= 1, got k1={self.k1}, b={self.b}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalConfig:
    """How semantic memory is searched."""

    fusion: Fusion = "dbsf"
    candidates: int = 200
    """Chunks taken from each leg before fusion."""
    lexical_weight: float = 1.0
    dense_weight: float = 1.0
    rrf_k: int = 60
    """Constant of reciprocal rank fusion; ranks count from 1."""
    floor: float = 0.0
    """Hits with a lower score are dropped; 0 keeps all."""
    expand: Literal["none", "parent"] = "none"
    """``parent`` fills ``Hit.context`` with the section around the chunk."""
    diversity: float = 0.0
    """Maximal marginal relevance between 0 (off) and 1 (diversity alone)."""

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ConfigurationError(f"candidates must be at least 1, got {self.candidates}.")
        if self.lexical_weight < 0 or self.dense_weight < 0 or self.lexical_weight + self.dense_weight == 0:
            raise ConfigurationError("leg weights must not be negative, and one of them must be above 0.")
        if not 0 <= self.diversity <= 1:
            raise ConfigurationError(f"diversity must lie between 0 and 1, got {self.diversity}.")
        if self.rrf_k < 1:
            raise ConfigurationError(f"rrf_k must be at least 1, got {self.rrf_k}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionConfig:
    """How the sentences of passages are ranked when they are compressed. The words of a sentence weigh at most 1."""

    parent_weight: float = 1.5
    """Of the passage's retrieval score, stretched from 0 (worst passage) to 1 (best)."""
    neighbour_weight: float = 0.3
    """Of the words of the better neighbour in the same passage."""
    bridge_weight: float = 2.0
    """Of a passage whose title is named in one of the best sentences of another: for questions in two steps."""
    dense_weight: float = 1.0
    """Of the cosine with the question, where an embedder is given."""
    dense_candidates: int = 12
    """Sentences that are embedded, at most."""
    floor: float = 0.0
    """Sentences below this share of the best score are dropped however large the budget is; 0 keeps all."""

    def __post_init__(self) -> None:
        if min(self.parent_weight, self.neighbour_weight, self.bridge_weight, self.dense_weight) < 0:
            raise ConfigurationError("weights of compression must not be negative.", remedy="0 switches a part off.")
        if self.dense_candidates < 1:
            raise ConfigurationError(f"dense_candidates must be at least 1, got {self.dense_candidates}.")
        if not 0 <= self.floor <= 1:
            raise ConfigurationError(f"the floor is a share of the best score, between 0 and 1, got {self.floor}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextConfig:
    """What goes into a context, and how its budget is shared."""

    budget: int = 2_000
    """Tokens, by the builder's counter, that a context has at most; labels and separators included."""
    working_share: float = 0.2
    episodic_share: float = 0.3
    semantic_share: float = 0.5
    """What each store gets of the budget while all of them have something; what one leaves over goes to the others."""
    working_candidates: int = 10
    """Documents of working memory, newest first."""
    episodic_candidates: int = 20
    semantic_candidates: int = 20
    min_relevance: float = 0.0
    """Episodes and chunks with a lower score are dropped."""
    max_age_s: float | None = None
    """Working documents and episodes older than this are dropped, constraints and pinned records excepted."""
    expand: bool = False
    """Let the whole section around a chunk take part, not the chunk alone."""
    diversity: float = 0.0
    """As in ``RetrievalConfig``: between 0 (off) and 1."""

    def __post_init__(self) -> None:
        if self.budget < 0:
            raise ConfigurationError(f"a budget of {self.budget} tokens is negative.", remedy="Give 0 or more.")
        shares = (self.working_share, self.episodic_share, self.semantic_share)
        if min(shares) < 0 or not any(shares):
            raise ConfigurationError(
                f"shares of the stores must not be negative, and one of them must be above 0, got {shares}.",
                remedy="0 leaves a store out.",
            )
        if min(self.working_candidates, self.episodic_candidates, self.semantic_candidates) < 1:
            raise ConfigurationError("each store needs at least one candidate.", remedy="A share of 0 leaves it out.")
        if not 0 <= self.min_relevance <= 1:
            raise ConfigurationError(f"min_relevance must lie between 0 and 1, got {self.min_relevance}.")
        if self.max_age_s is not None and self.max_age_s <= 0:
            raise ConfigurationError(f"max_age_s={self.max_age_s} keeps nothing.", remedy="Use None for no limit.")


AGENT_CONTEXT = ContextConfig(budget=500, min_relevance=0.3, max_age_s=3_600)
"""What an agent is given for one step by default: little, fresh and relevant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodicConfig:
    """How episodic memory is searched: ``score = relevance * boosts``.

    Relevance is absolute, so that scores of two queries can be compared and a floor means something. Each boost is a
    factor between 1 and 1 + its bound; a record overtakes another only when its relevance is at least
    ``1 / margin`` of the other's.

    Example:
        >>> round(EpisodicConfig().margin, 3)
        2.377
    """

    candidates: int = 200
    """Records taken from each leg."""
    lexical_weight: float = 1.0
    dense_weight: float = 1.0
    context: float = 0.5
    """How far a turn is lifted towards the relevance of the better one of the turns next to it: an answer is found by
    its question. 0: not at all."""
    floor: float = 0.1
    """Records of less relevance are not hits. Answers to questions have more in 99 of 100 cases (LoCoMo)."""
    actor_boost: float = 0.4
    """Bound for records whose actor the query names. Names of actors are then left out of what is compared: whoever is
    named in a turn is mostly the one who is spoken to."""
    day_boost: float = 0.4
    """Bound for what happened on a day or in a month that the query names, or on the day after."""
    recency_boost: float = 0.05
    """Bound for what happened now; half of it after ``recency_half_life_days``, nothing for unknown event times."""
    recency_half_life_days: float = 30.0
    importance_boost: float = 0.1
    """Bound for importance 1; half of it for 0.5."""
    outcome_boost: float = 0.05
    """For records that say how it ended."""

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ConfigurationError(f"candidates must be at least 1, got {self.candidates}.")
        if self.lexical_weight < 0 or self.dense_weight < 0 or self.lexical_weight + self.dense_weight == 0:
            raise ConfigurationError("leg weights must not be negative, and one of them must be above 0.")
        for name in ("context", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name} must lie between 0 and 1, got {getattr(self, name)}.")
        for name in ("actor_boost", "day_boost", "recency_boost", "importance_boost", "outcome_boost"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(
                    f"{name} must lie between 0 and 1, got {getattr(self, name)}.",
                    remedy="It is the bound of a factor: 0.1 raises a score by a tenth at most.",
                )
        if not self.recency_half_life_days > 0:
            raise ConfigurationError(f"recency_half_life_days must be above 0, got {self.recency_half_life_days}.")

    @property
    def margin(self) -> float:
        """The most that all boosts together multiply a relevance by."""
        bounds = (self.actor_boost, self.day_boost, self.recency_boost, self.importance_boost, self.outcome_boost)
        return math.prod(1 + bound for bound in bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsingLimits:
    """What one file may cost before it fails alone."""

    workers: int | None = None
    """Parser processes; None: one per processor, four at most."""
    timeout_s: float = 60.0
    """For a small file; every 10 MB of it allow as much again."""
    memory_mb: int = 1024
    """Address space of a parser process (Linux and macOS)."""
    max_file_mb: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackingLimits:
    """What an archive or a git revision may unpack to before it is refused as a whole.

    The size of one member is limited like that of any file, by ``ParsingLimits.max_file_mb``.
    """

    max_total_mb: float = 2000.0
    """Bytes taken out altogether, those of files that are passed over included where they have to be decompressed."""
    max_members: int = 100_000
    """Files and folders, whatever becomes of them."""
    max_ratio: float = 200.0
    """Unpacked size over the size of the archive; looked at beyond 10 MB only, below which nothing can be harmed."""
    max_depth: int = 64
    """Folders above a file; a file that lies deeper is left out and listed."""

    def __post_init__(self) -> None:
        if min(self.max_total_mb, self.max_members, self.max_ratio, self.max_depth) <= 0:
            raise ConfigurationError("Limits of unpacking must be above 0.", remedy="Leave one out for its default.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLimits:
    """Bounds of one run of ``mirror``. What a limit stops is listed with its reason.

    Example:
        >>> WebLimits(depth=2, requests_per_second=1).pages
        5000
    """

    pages: int = 5_000
    """Pages requested, failed ones included."""
    depth: int = 0
    """Links followed from a start page that is no listing; 0: the page alone."""
    page_bytes: int = 20_000_000
    """Of one page, after decompression."""
    listing_bytes: int = 50_000_000
    """Of one sitemap or llms.txt, after decompression."""
    listings: int = 100
    """Sitemaps that an index may lead to."""
    total_bytes: int = 1_000_000_000
    """Of all pages and listings of the run, after decompression."""
    total_s: float | None = None
    """Seconds for the whole run; None: as long as it takes."""
    redirects: int = 5
    connect_s: float = 10.0
    """Seconds until a connection stands."""
    read_s: float = 20.0
    """Seconds without a single byte."""
    request_s: float = 60.0
    """Seconds for one request, from the connection to the last byte."""
    requests_per_second: float = 2.0
    """To one host. A crawl delay in ``robots.txt`` can only make it slower."""
    crawl_delay_s: float = 10.0
    """Longest crawl delay that is obeyed; a site that asks for more is fetched at this pace."""
    retries: int = 2
    """After 429, 503 and dropped connections."""
    retry_after_s: float = 60.0
    """Longest wait that a server may ask for; a page that would need more fails."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            least = 0 if limit.name in ("depth", "redirects", "retries", "crawl_delay_s", "retry_after_s") else None
            if value is not None and (value < 0 if least == 0 else value <= 0):
                raise ConfigurationError(
                    f"{limit.name}={value} is no limit that a site could be fetched with.",
                    remedy=f"Use {'0 or more' if least == 0 else 'more than 0'}.",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """How a site is ingested: where its pages may lie, what fetching them may cost, and where they are kept."""

    limits: WebLimits = field(default_factory=WebLimits)
    hosts: tuple[str, ...] = ()
    """Hosts that pages may lie on beside the source's own."""
    allow_private: bool = False
    """Allow loopback and private addresses, for documentation in one's own network."""
    mirror: Path | None = None
    """Folder that keeps the pages between runs, one for each source; None: inside the memory's folder."""


def fingerprint(*configs: DataclassInstance | str) -> str:
    """Hash configuration records and version strings to 16 hex digits: equal settings, equal hash.

    Example:
        >>> fingerprint(ChunkingConfig()) == fingerprint(ChunkingConfig(max_tokens=256))
        True
    """
    payload = [asdict(config) if is_dataclass(config) else config for config in configs]
    return hashlib.blake2b(json.dumps(payload, sort_keys=True).encode(), digest_size=8).hexdigest()
