"""The frozen records that every part of Tercet shares.

Offsets are in Unicode code points of the stored text, half open: ``text[start:end]``.
Lines count from 1; 0 means unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import date
from typing import Literal, overload

from tercet.errors import InputError

Trust = Literal["system", "user", "internal", "external"]
"""How far a text may be believed, most trusted first. Anything derived has the least trust of its sources."""

BlockKind = Literal["heading", "paragraph", "list", "table", "code", "admonition"]
"""What a block of a document is; the chunker splits each kind in its own way."""

Scalar = str | int | float | bool
"""A metadata value. Lists of scalars are allowed in metadata too and match when any element does."""

Metadata = Mapping[str, Scalar | Sequence[Scalar]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose records are meant: the owner of what is written, and the reader of what is read.

    A reader sees the records whose every set field equals its own: those of its own scope and of its ancestors'.

    Example:
        >>> ada = Scope(tenant="acme", user="ada")
        >>> ada.sees(Scope(tenant="acme")), ada.sees(Scope(tenant="acme", user="bob"))
        (True, False)
    """

    tenant: str | None = None
    user: str | None = None
    agent: str | None = None
    session: str | None = None

    def __post_init__(self) -> None:
        _refuse_empty(self)

    def sees(self, owner: Scope) -> bool:
        """Whether a reader of this scope sees a record of ``owner``."""
        return all(theirs is None or theirs == own for theirs, own in zip(astuple(owner), astuple(self), strict=True))

    @classmethod
    def any(
        cls, *, tenant: str | None = None, user: str | None = None, agent: str | None = None, session: str | None = None
    ) -> AnyScope:
        """A wider read: every record with the given fields, whatever its other fields are.

        Example:
            >>> Scope.any(tenant="acme").sees(Scope(tenant="acme", user="ada"))
            True
        """
        return AnyScope(tenant=tenant, user=user, agent=agent, session=session)

    def __str__(self) -> str:
        return _scope_text(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyScope:
    """A reader who sees every record that has the given fields; made by ``Scope.any``. Nothing is written with it."""

    tenant: str | None = None
    user: str | None = None
    agent: str | None = None
    session: str | None = None

    def __post_init__(self) -> None:
        _refuse_empty(self)

    def sees(self, owner: Scope) -> bool:
        """Whether such a reader sees a record of ``owner``."""
        return all(own is None or own == theirs for theirs, own in zip(astuple(owner), astuple(self), strict=True))

    def __str__(self) -> str:
        return f"any of {_scope_text(self)}"


def _refuse_empty(scope: Scope | AnyScope) -> None:
    for part in fields(scope):
        if getattr(scope, part.name) == "":
            raise InputError(
                f"The {part.name} of a scope is an empty string.", remedy="Leave it out, or give it a name."
            )


def _scope_text(scope: Scope | AnyScope) -> str:
    named = [f"{part.name}={getattr(scope, part.name)}" for part in fields(scope) if getattr(scope, part.name)]
    return ", ".join(named) or "everyone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One version of a working document, as agents hand it to each other: where it is, and what it must be.

    Example:
        >>> plan = Reference(scope=Scope(tenant="acme"), key="plan", version=3, hash="4f53cda1…")
        >>> print(plan)
        plan, version 3 (tenant=acme)
    """

    scope: Scope
    """Of the document, not of the reader."""
    key: str
    version: int
    hash: str
    """SHA-256 of the canonical JSON of that version."""

    def __str__(self) -> str:
        return f"{self.key}, version {self.version} ({self.scope})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document handed to ``ingest(documents=…)``: text that is already extracted.

    Example:
        >>> Document(uri="policies/returns", text="Returns within 30 days.", metadata={"team": "support"}).uri
        'policies/returns'
    """

    uri: str
    """Stable name of the document inside its corpus; ingesting the same uri again replaces it."""
    text: str
    title: str = ""
    metadata: Metadata = field(default_factory=dict)
    effective_from: date | None = None
    """First day on which the document holds; None: always has."""
    effective_to: date | None = None
    """First day on which it no longer holds; None: still does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something the sanitizer or a parser removed or tolerated, worth telling the user."""

    kind: str
    """Such as ``"zero-width"``, ``"bidi-control"``, ``"unknown-directive"``, ``"encoding"``."""
    count: int = 1
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A structural unit of a parsed document: a span of its text and what it is."""

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    """Headings: 1 is the outermost. Other kinds: 0."""
    title: str = ""
    """Headings: the text without markup."""
    anchor: str = ""
    """Headings: the fragment that the published page gives it, without ``#``."""
    lead_end: int = 0
    """Tables and code: ``text[start:lead_end]`` is the header row or opening fence that each further piece needs."""
    line: int = 0
    """First line in the original file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """What a parser makes of one file: clean text, and blocks that cover what is worth retrieving, in order."""

    text: str
    blocks: tuple[Block, ...]
    title: str = ""
    """From the content (front matter, first heading, ``<title>``), never from the file name."""
    metadata: Metadata = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    verbatim: bool = True
    """True when ``text`` has the same lines as the file, so that line numbers follow from offsets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a document: what is cited is ``text``, what is embedded and indexed is ``embedded_text``."""

    id: str
    """32 hex digits from uri, embedded text and ordinal among equals: the same content keeps its id."""
    text: str
    start: int
    end: int
    title: str = ""
    heading_path: tuple[str, ...] = ()
    kind: BlockKind = "paragraph"
    """Kind of the block, or of the first block, it was cut from."""
    lead: str = ""
    """Table header or opening fence repeated for a piece of a split block; embedded, not part of ``text``."""
    anchor: str = ""
    line_start: int = 0
    line_end: int = 0
    tokens: int = 0
    """Tokens of ``embedded_text`` under the embedder's tokenizer, special tokens included."""

    @property
    def embedded_text(self) -> str:
        """Title, heading path, repeated lead and text: what the retrieval legs see."""
        return embedded_text(self.title, self.heading_path, self.lead, self.text)


def embedded_text(title: str, heading_path: Sequence[str], lead: str, text: str) -> str:
    """Join what a chunk is embedded as; a heading equal to the title is not said twice.

    Example:
        >>> embedded_text("Guide", ("Guide", "Keys"), "", "Rotate them.")
        'Guide > Keys\\nRotate them.'
    """
    path = list(heading_path)
    if title and (not path or path[0] != title):
        path.insert(0, title)
    return "\n".join(part for part in (" > ".join(path), lead, text) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """Which documents may be searched. Every part that is given must hold; it is applied before ranking in both legs.

    A search without ``tenant`` sees only documents that belong to no tenant; with one, those and the tenant's own.

    Example:
        >>> DocumentFilter(corpus=("docs",), equals={"team": "support"}, paths=("guide/**",)).paths
        ('guide/**',)
    """

    corpus: tuple[str, ...] = ()
    """Names of corpora; empty: all."""
    version: str | None = None
    tenant: str | None = None
    equals: Mapping[str, Scalar | Sequence[Scalar]] = field(default_factory=dict)
    """Metadata that must be equal; a sequence means any of its values."""
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """Metadata numbers with inclusive bounds; None leaves a side open."""
    paths: tuple[str, ...] = ()
    """Globs on the document uri (``*`` within a segment, ``**`` across); any may match."""
    as_of: date | None = None
    """Only documents in effect on this day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a text came from and how far it may be believed."""

    store: Literal["working", "episodic", "semantic"]
    source: str
    trust: Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that a model spent, as its service counts them.

    Example:
        >>> Usage(input_tokens=90, cache_read_tokens=80) + Usage(output_tokens=7)
        Usage(input_tokens=90, cache_read_tokens=80, cache_write_tokens=0, output_tokens=7, reasoning_tokens=0)
    """

    input_tokens: int = 0
    """All of the input, what a prompt cache gave or took included."""
    cache_read_tokens: int = 0
    """Of the input: read from a prompt cache."""
    cache_write_tokens: int = 0
    """Of the input: written to one."""
    output_tokens: int = 0
    """All of the output."""
    reasoning_tokens: int = 0
    """Of the output: reasoning."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{part.name: getattr(self, part.name) + getattr(other, part.name) for part in fields(self)})

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A pointer from a hit back to the span of the document it quotes."""

    uri: str
    corpus: str = "docs"
    version: str = ""
    title: str = ""
    heading_path: tuple[str, ...] = ()
    anchor: str = ""
    start: int = 0
    end: int = 0
    line_start: int = 0
    line_end: int = 0
    url: str = ""
    """Where the published page shows the place, anchor included; empty where no address is known."""

    def __str__(self) -> str:
        place = self.uri
        if self.line_start:
            place += f":{self.line_start}-{self.line_end}"
        elif self.anchor:  # no lines to name: a page of a PDF, or a section of a web page
            place += f"#{self.anchor}"
        path = " > ".join(self.heading_path) or self.title
        return f"{place} ({path})" if path else place


@dataclass(frozen=True, slots=True, kw_only=True)
class LegExplanation:
    """What one retrieval leg said about a hit."""

    leg: Literal["lexical", "dense"]
    score: float | None
    """Raw score (BM25 sum, cosine); None when the leg did not return the chunk."""
    rank: int | None
    """1 is best; None when the leg did not return the chunk."""
    normalized: float
    """The score after fusion's normalisation, 0 when the leg did not return the chunk."""
    weight: float
    available: bool = True
    """False when the leg could not judge the chunk at all (its vector is still missing)."""
    terms: Mapping[str, float] = field(default_factory=dict)
    """Lexical leg: contribution of each matched term; they add up to ``score``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a hit has its score: ``sum(weight * normalized) / sum(weight)`` over the available legs, by ``fusion``."""

    fusion: str
    legs: tuple[LegExplanation, ...]
    rerank_score: float | None = None
    """Set when a reranker ordered the hits; it then replaces the fused score as ``Hit.score``."""

    @property
    def fused(self) -> float:
        """The fused score, recombined from the parts."""
        legs = [leg for leg in self.legs if leg.available]
        total = sum(leg.weight for leg in legs)
        return sum(leg.weight * leg.normalized for leg in legs) / total if total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One retrieved chunk with its score, its citation and, when asked for, its explanation."""

    chunk_id: str
    text: str
    score: float
    citation: Citation
    provenance: Provenance
    metadata: Metadata = field(default_factory=dict)
    explanation: Explanation | None = None
    context: str = ""
    """Parent expansion: the section around the chunk; empty when not asked for."""
    context_start: int = 0
    """Where ``context`` starts in the document's stored text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult(Sequence[Hit]):
    """Hits, best first, and what was missing while they were found. It is a sequence of its hits."""

    query: str
    hits: tuple[Hit, ...]
    degraded: tuple[str, ...] = ()
    """Empty when both legs were complete; else such as ``("dense",)`` or ``("dense 43 %",)``."""

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A step of long work, given to ``progress=`` callbacks."""

    phase: Literal[
        "fetch",
        "scan",
        "parse",
        "index",
        "embed",
        "reindex",
        "backup",
        "restore",
        "forget",
        "export",
        "import",
        "record",
        "ask",
        "sweep",
        "judge",
    ]
    done: int
    total: int | None
    """None while the total is not known yet."""
    item: str = ""
    """Such as the file just finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFailure:
    """One file or document that could not be ingested, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What one ingest did. Paths are document uris, sorted."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: int = 0
    renamed: tuple[tuple[str, str], ...] = ()
    """Pairs (old uri, new uri) recognised by equal content; the old ones are not in ``deleted``."""
    deleted: tuple[str, ...] = ()
    failed: tuple[FileFailure, ...] = ()
    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    """By uri: what was cleaned or tolerated."""
    chunks: int = 0
    """Chunks written in this run."""
    embedded: int = 0
    """Texts embedded in this run (cached ones are not counted)."""
    vectors_missing: int = 0
    """Live chunks still without a dense vector when the run ended."""
    truncated: int = 0
    """Documents taken as given whose text is longer than the embedder reads."""
    searchable_s: float = 0.0
    """Seconds until everything was searchable by words."""
    total_s: float = 0.0
    dry_run: bool = False
    revision: str = ""
    """Hash of the commit that ``revision=`` named; empty for a source that was taken as it is."""

    @property
    def ok(self) -> bool:
        """True when no file failed."""
        return not self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """What ``Memory.forget`` removed, and whether any of it is still in a file."""

    status: Literal["erased", "pending", "planned"]
    """``erased``: no file of the memory holds it any longer. ``pending``: it is found by nothing and nobody, but bytes
    of it are left for the given reason. ``planned``: a dry run, or an erasure that was cut off before its end."""
    removed: Mapping[str, int] = field(default_factory=dict)
    """How many of what: ``documents``, ``chunks``, ``pages`` (of mirrored sites), ``working`` (documents),
    ``versions`` and ``requests`` of those, ``episodes`` (as named), ``repetitions`` and ``derived`` (episodes that went
    with them), ``vectors``, ``runs`` of agents with ``run_events`` and ``run_texts``, ``effects`` and ``approvals``,
    whose rows stay empty, ``names`` (of entities) and ``scopes`` that nothing else uses."""
    derived: tuple[str, ...] = ()
    """Ids of the records that were made from forgotten ones and went with them."""
    rebuilt: tuple[str, ...] = ()
    """Ids of the summaries that were written again from what is left."""
    reason: str = ""
    """Why it is pending."""
    remedy: str = ""
    """What to run to finish it."""
    out_of_reach: tuple[str, ...] = ()
    """What may hold copies and is not the memory's to change: backups, sources, servers."""
    notes: tuple[str, ...] = ()
    """What was near and stays, so that nobody takes it for forgotten."""
    seconds: float = 0.0
    bytes_before: int | None = None
    """Of the memory's folder; None where the database is a server."""
    bytes_after: int | None = None
