"""``tercet ask``: an answer in quotes, each with its citation, or the plain word that nothing fits."""

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
from tercet.cli.output import note, print_json, printable, waiting
from tercet.cli.search import explain_degradation
from tercet.records import Scope
from tercet.settings import ContextConfig

if TYPE_CHECKING:
    from tercet.agents.agent import Answer


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In your own words.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    quotes: Annotated[int, typer.Option(min=1, metavar="N", help="Sentences at most.")] = 3,
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
    """Answer a question by quoting what is remembered, with citations; offline, without a model.

    \b
    Examples:
      tercet ask "How do I rotate an API key?"
      tercet ask "What did Ada report last week?" --tenant acme --user ada
      tercet ask "How do I rotate an API key?" --budget 500 --context
    """
    scope = Scope(tenant=tenant, user=user, agent=agent, session=session)
    with waiting("Opening the memory", quiet=as_json):
        opened = open_memory(memory, database=database, qdrant=qdrant, embedder=embedder)
    with opened:
        from tercet.agents.agent import Agent

        with waiting(f"Loading the embedding model {opened.embedder_record.spec} and searching", quiet=as_json):
            asked = Agent(
                "ask",
                memory=opened,
                corpus=corpus or (),
                quotes=quotes,
                context=ContextConfig(budget=budget),
                counter=counter,
            )
            answer = asked.run_sync(question, scope=scope)
    if as_json:
        print_json(answer_document(answer))
    else:
        _print_answer(answer, show_context=show_context)


def answer_document(answer: Answer) -> dict[str, Any]:
    """The JSON form of an answer."""
    from dataclasses import asdict

    return {
        "question": answer.question,
        "text": answer.text,
        "citations": [
            {
                "text": quote.text,
                "source": quote.source,
                "score": quote.score,
                "store": quote.provenance.store,
                "trust": quote.provenance.trust,
                "citation": asdict(quote.citation) if quote.citation else None,
            }
            for quote in answer.quotes
        ],
        "degraded": list(answer.degraded),
        "context": {
            "text": answer.context.text,
            "tokens": answer.context.tokens,
            "budget": answer.context.report.budget,
            "counter": answer.context.report.counter,
            "candidates": [asdict(one) for one in answer.context.report.candidates],
        },
    }


def _print_answer(answer: Answer, *, show_context: bool) -> None:
    if answer.degraded:
        note(explain_degradation(answer.degraded))
    if answer.found:
        typer.echo(printable(answer.text))
        typer.echo("")
        for number, quote in enumerate(answer.quotes, start=1):
            typer.echo(typer.style(printable(f"[{number}] {quote.source}"), fg="cyan"))
            if quote.citation and quote.citation.url:
                typer.echo(printable(f"    {quote.citation.url}"))
    else:
        typer.echo("Nothing relevant was found. Other words, or `tercet search` to see what comes nearest.")
    if show_context:
        typer.echo("")
        typer.echo(printable(answer.context.text))
        typer.echo("")
        typer.echo(typer.style(printable(str(answer.context.report)), dim=True))
