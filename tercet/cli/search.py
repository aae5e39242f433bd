"""``tercet search``: hits with citations, and why each has its score."""

from __future__ import annotations

import shutil
import sys
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.options import (
    DEFAULT_MEMORY,
    AsJson,
    AsOf,
    Corpora,
    DatabaseUrl,
    EmbedderSpec,
    MemoryFolder,
    Paths,
    QdrantUrl,
    Ranges,
    Tenant,
    Version,
    Where,
    document_filter,
    open_memory,
)
from tercet.cli.output import note, print_json, printable, waiting
from tercet.settings import RetrievalConfig

if TYPE_CHECKING:
    from tercet.records import Explanation, Hit, LegExplanation, SearchResult

SHOWN_LINES = 6
"""Lines of a hit's text that are shown; ``--json`` has all of it."""
LEG_NAMES = {"lexical": "words", "dense": "meaning"}


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for, in your own words.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Hits at most.")] = 5,
    explain: Annotated[bool, typer.Option("--explain", help="Show how each score was made.")] = False,
    section: Annotated[bool, typer.Option("--section", help="Show the whole section around each hit.")] = False,
    floor: Annotated[float, typer.Option(metavar="X", help="Leave out hits with a lower score.")] = 0.0,
    corpus: Corpora = None,
    version: Version = None,
    tenant: Tenant = None,
    where: Where = None,
    ranges: Ranges = None,
    path: Paths = None,
    as_of: AsOf = None,
    embedder: EmbedderSpec = None,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Search by words and by meaning; filters apply before ranking.

    \b
    Examples:
      tercet search "rotate an API key"
      tercet search "rotate an API key" --explain --limit 3
      tercet search "refund period" --corpus policies --as-of 2024-06-30
      tercet search "retries" --where team=platform --range year=2023.. --path "guide/**"
    """
    filters = document_filter(
        corpus=corpus, version=version, tenant=tenant, where=where, ranges=ranges, paths=path, as_of=as_of
    )
    with waiting("Opening the memory", quiet=as_json):
        opened = open_memory(memory, database=database, qdrant=qdrant, embedder=embedder)
    with opened:
        from tercet.retrieval.semantic import SemanticRetriever

        model = opened.embedder_record.spec
        with waiting(f"Loading the embedding model {model} and searching", quiet=as_json):
            retriever = SemanticRetriever(
                opened.semantic, config=RetrievalConfig(floor=floor, expand="parent" if section else "none")
            )
            result = retriever.search(query, limit=limit, where=filters, explain=explain)
    if as_json:
        print_json(search_document(result))
    else:
        _print_result(result, section=section)


def search_document(result: SearchResult) -> dict[str, Any]:
    """The JSON form of a search result: its records, and each explanation's recombined score."""
    document = asdict(result)
    for hit, plain in zip(result.hits, document["hits"], strict=True):
        if hit.explanation is not None:
            plain["explanation"]["fused"] = hit.explanation.fused
    return document


def _print_result(result: SearchResult, *, section: bool) -> None:
    if result.degraded:
        note(explain_degradation(result.degraded))
    if not result.hits:
        typer.echo("No hits. Other words, a wider filter, or `tercet status` to see what was ingested.")
        return
    for number, hit in enumerate(result.hits, start=1):
        if number > 1:
            typer.echo("")
        _print_hit(number, hit, section=section)


def explain_degradation(degraded: tuple[str, ...]) -> str:
    """What a search lacked, and what to do about it."""
    if degraded == ("dense",):
        return "Searched by words only (degraded: dense). `tercet status` tells whether this memory has an embedder."
    return f"Searched with what is there (degraded: {', '.join(degraded)}). `tercet embed` makes the missing vectors."


def _print_hit(number: int, hit: Hit, *, section: bool) -> None:
    typer.echo(typer.style(f"{number:>2}. ", bold=True), nl=False)
    typer.echo(typer.style(printable(str(hit.citation)), fg="cyan"), nl=False)
    typer.echo(typer.style(f"  {hit.score:.3f}", dim=True))
    if hit.citation.url:
        typer.echo(printable(f"    {hit.citation.url}"))
    lines = _wrapped(printable(hit.context if section and hit.context else hit.text))
    shown = lines if section else lines[:SHOWN_LINES]
    for line in shown:
        typer.echo(f"    {line}")
    if len(shown) < len(lines):
        typer.echo(f"    … {len(lines) - len(shown)} more lines")
    if hit.explanation is not None:
        _print_explanation(hit.explanation)


def _wrapped(text: str) -> list[str]:
    """The lines of a text without blank ones; on a terminal, long ones are folded to its width."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not sys.stdout.isatty():
        return lines
    width = max(40, shutil.get_terminal_size().columns - 4)
    return [part for line in lines for part in textwrap.wrap(line, width, replace_whitespace=False)]


def _print_explanation(explanation: Explanation) -> None:
    for leg in explanation.legs:
        typer.echo(typer.style(f"    {_leg_line(leg)}", dim=True))
    ways = " + ".join(f"{leg.weight:g}·{leg.normalized:.3f}" for leg in explanation.legs if leg.available)
    weights = sum(leg.weight for leg in explanation.legs if leg.available)
    typer.echo(typer.style(f"    {explanation.fusion}: ({ways}) / {weights:g} = {explanation.fused:.3f}", dim=True))
    if explanation.rerank_score is not None:
        typer.echo(typer.style(f"    reranked: {explanation.rerank_score:.3f}", dim=True))


def _leg_line(leg: LegExplanation) -> str:
    name = f"{LEG_NAMES[leg.leg]:<8}"
    if not leg.available:
        return f"{name} not judged: no vector yet"
    if leg.score is None or leg.rank is None:
        return f"{name} not among the candidates → {leg.normalized:.3f}"
    terms = sorted(leg.terms.items(), key=lambda item: (-item[1], item[0]))
    parts = " = " + " + ".join(f"{printable(term)} {value:.2f}" for term, value in terms) if terms else ""
    return f"{name} rank {leg.rank}, score {leg.score:.3f}{parts} → {leg.normalized:.3f}"
