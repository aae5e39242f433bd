"""``tercet ask``: an answer with its citations, by a model or by quoting, or the plain word that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.options import (
    DEFAULT_MEMORY,
    AgentName,
    AsJson,
    Corpora,
    DatabaseUrl,
    EmbedderSpec,
    MemoryFolder,
    QdrantUrl,
    ScopeTenant,
    Session,
    User,
    open_memory,
)
from tercet.cli.output import counted, note, print_json, printable, waiting
from tercet.cli.search import explain_degradation
from tercet.records import Scope
from tercet.settings import ContextConfig

if TYPE_CHECKING:
    from tercet.agents.ends import End, Quote


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In your own words.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar="TERCET_MODEL",
            help="A hosted model, claude-… or anthropic:MODEL, which is sent the question and the context. Without one "
            "the answer is quoted, offline.",
        ),
    ] = None,
    quotes: Annotated[int, typer.Option(min=1, metavar="N", help="Sentences at most, without a model.")] = 3,
    budget: Annotated[
        int, typer.Option(min=0, metavar="TOKENS", help="Size of the context that is considered.")
    ] = 2000,
    counter: Annotated[
        str, typer.Option(metavar="NAME", help="What counts tokens: default, o200k_base, cl100k_base, anthropic:MODEL.")
    ] = "default",
    show_context: Annotated[
        bool, typer.Option("--context", help="Show the context and what became of each candidate.")
    ] = False,
    corpus: Corpora = None,
    tenant: ScopeTenant = None,
    user: User = None,
    agent: AgentName = None,
    session: Session = None,
    embedder: EmbedderSpec = None,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from what is remembered, with citations. Without a model it answers by quoting, offline.

    The run is kept in the memory's journal, for `tercet runs show`.

    \b
    Examples:
      tercet ask "How do I rotate an API key?"
      tercet ask "What did Ada report last week?" --tenant acme --user ada
      tercet ask "How do I rotate an API key?" --budget 500 --context
      tercet ask "How do I rotate an API key?" --model claude-sonnet-5-5
    """
    scope = Scope(tenant=tenant, user=user, agent=agent, session=session)
    with waiting("Opening the memory", quiet=as_json):
        opened = open_memory(memory, database=database, qdrant=qdrant, embedder=embedder)
    with opened:
        from tercet.agents.agent import Agent
        from tercet.models.extractive_chat import ExtractiveModel

        asked = Agent(
            "ask",
            model=model if model and model != "extractive" else ExtractiveModel(quotes=quotes, lexical=opened.lexical),
            memory=opened,
            corpus=corpus or (),
            context=ContextConfig(budget=budget),
            counter=counter,
        )
        if asked.model.name == "extractive":
            note("No model was chosen: the answer is quoted from what is remembered. --model NAME asks a model.")
        with waiting(_doing(opened.embedder_record.spec, asked.model.name), quiet=as_json):
            end = asked.run_sync(question, scope=scope)
    if as_json:
        print_json(answer_document(question, end, model=asked.model.name))
    else:
        _print_end(end, show_context=show_context)
        note(f"Kept as run {end.run} ({counted(end.usage.total_tokens, 'token')}).")
    if end.kind in ("limit", "escalated"):
        raise typer.Exit(1)


def _doing(embedder: str, model: str) -> str:
    """What keeps the user waiting."""
    searching = "Searching" if embedder == "none" else f"Loading the embedding model {embedder} and searching"
    return searching if model == "extractive" else f"{searching}, then asking {model}"


def answer_document(question: str, end: End[str], *, model: str) -> dict[str, Any]:
    """The JSON form of an answer."""
    from dataclasses import asdict

    context = end.context
    return {
        "question": question,
        "end": end.kind,
        "text": end.text,
        "citations": [
            {
                "id": quote.source_id,
                "text": quote.text,
                "source": quote.source,
                "store": quote.provenance.store if quote.provenance else None,
                "trust": quote.provenance.trust if quote.provenance else "external",
                "citation": asdict(quote.citation) if quote.citation else None,
            }
            for quote in _quotes(end)
        ],
        "confidence": end.confidence if end.kind == "answer" else None,
        "degraded": list(end.degraded),
        "model": model,
        "run": end.run,
        "usage": asdict(end.usage),
        "context": {
            "text": context.text,
            "tokens": context.tokens,
            "budget": context.report.budget,
            "counter": context.report.counter,
            "candidates": [asdict(one) for one in context.report.candidates],
        }
        if context
        else None,
    }


def _quotes(end: End[str]) -> tuple[Quote, ...]:
    return end.quotes if end.kind == "answer" else ()


def _print_end(end: End[str], *, show_context: bool) -> None:
    if end.degraded:
        note(explain_degradation(end.degraded))
    typer.echo(printable(end.text))
    if end.kind == "impossible":
        typer.echo("Other words may help, or `tercet search` to see what comes nearest.")
    shown = {quote.source_id: quote for quote in _quotes(end)}
    if shown:
        typer.echo("")
    for number, quote in shown.items():
        typer.echo(typer.style(printable(f"[{number}] {quote.source}"), fg="cyan"))
        if quote.citation and quote.citation.url:
            typer.echo(printable(f"    {quote.citation.url}"))
    if show_context and end.context:
        typer.echo("")
        typer.echo(printable(end.context.text))
        typer.echo("")
        typer.echo(typer.style(printable(str(end.context.report)), dim=True))
