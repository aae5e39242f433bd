"""``tercet eval lint | golden | label``: data sets looked through, made from your own corpus, and reviewed by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder, QdrantUrl, open_memory
from tercet.cli.output import counted, note, print_json, printable, waiting
from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from tercet.evals.datasets import GoldenQuestion, LintFinding
    from tercet.evals.golden import CorpusDocument
    from tercet.evals.labelling import Presentation, Review
    from tercet.evals.records import DatasetKind

SHOWN_FINDINGS = 50
"""Findings that are shown; ``--json`` has all of them."""

Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", help="Files that the questions are about, instead of a memory."),
]


def lint(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of a data set, or a golden file.")],
    split: Annotated[str, typer.Option(metavar="NAME", help="Judgements of a BEIR folder: qrels/NAME.tsv.")] = "test",
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="retrieval, spans or conversations.")] = None,
    memory: Annotated[
        Path | None,
        typer.Option("--memory", metavar="DIR", help="Check the uris of a golden file against this memory."),
    ] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Look for what makes measurements on a data set wrong or doubtful.

    Exit code 0: no errors, perhaps warnings; 1: errors are listed; 2: it cannot be read.

    \b
    Examples:
      tercet eval lint data/scifact
      tercet eval lint golden.jsonl --memory .tercet
      tercet eval lint data/squad --kind spans --json
    """
    from tercet.evals.datasets.lint import lint_path

    named = dataset_kind(kind)
    uris = set(_corpus(memory, folder)) if memory or folder else None
    with waiting("Reading the data set", quiet=as_json):
        found = lint_path(dataset, split=split, kind=named, uris=uris)
    facts = found.dataset.facts(dataset)
    errors = sum(finding.severity == "error" for finding in found.findings)
    if as_json:
        print_json({"dataset": asdict(facts), "findings": [asdict(finding) for finding in found.findings]})
    else:
        size = f"{counted(facts.documents, 'document')}, {counted(facts.questions, 'question')}"
        typer.echo(printable(f"{facts.name}: {facts.kind}, {size}."))
        _print_findings(found.findings)
    if errors:
        raise typer.Exit(1)


def _print_findings(findings: tuple[LintFinding, ...]) -> None:
    for finding in findings[:SHOWN_FINDINGS]:
        typer.echo(printable(f"{finding.severity}: {finding.where}: {finding.message} [{finding.code}]"))
        typer.echo(printable(f"    {finding.remedy}"))
    if len(findings) > SHOWN_FINDINGS:
        typer.echo(f"… and {len(findings) - SHOWN_FINDINGS} more; --json has all.")
    totals = Counter(finding.severity for finding in findings)
    typer.echo(f"{counted(totals['error'], 'error')}, {counted(totals['warning'], 'warning')}.")


def golden(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Golden file to write, .jsonl; it is replaced.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    folder: Folder = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Questions at most.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="Which ones are taken.")] = 0,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="heading, faq, link, symbol or sentence (repeatable). Default: all."),
    ] = None,
    sure: Annotated[
        bool, typer.Option("--sure", help="Leave out questions that another document may answer as well.")
    ] = False,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make questions from your own documents, without a model.

    \b
    Examples:
      tercet eval golden golden.jsonl --limit 300
      tercet eval golden golden.jsonl --folder docs --kind heading --kind faq --sure
    """
    from tercet.evals.datasets import write_golden
    from tercet.evals.golden import KINDS, golden_questions, label_doubt

    if out.suffix.lower() != ".jsonl":
        raise ConfigurationError(f"{out} does not end in .jsonl.", remedy="Golden sets are written as JSON Lines.")
    asked = [name for name in KINDS if name in kind] if kind else list(KINDS)
    if kind and (unknown := [name for name in kind if name not in KINDS]):
        raise ConfigurationError(f"There is no kind {unknown[0]!r}.", remedy=f"Kinds are {', '.join(KINDS)}.")
    with waiting("Reading the corpus", quiet=as_json):
        if folder is not None:
            questions = golden_questions(folder, seed=seed, limit=limit, kinds=asked, doubtful=not sure)
        else:
            with open_memory(memory, database=database, qdrant=qdrant, read_only=True) as opened:
                questions = golden_questions(opened, seed=seed, limit=limit, kinds=asked, doubtful=not sure)
    write_golden(questions, out)
    doubt = label_doubt(questions)
    if as_json:
        print_json(
            {
                "out": str(out),
                "questions": len(questions),
                "kinds": {name: {"questions": one.questions, "doubtful": one.doubtful} for name, one in doubt.items()},
            }
        )
        return
    typer.echo(printable(f"{counted(len(questions), 'question')} in {out}."))
    for name, one in doubt.items():
        typer.echo(f"  {name:<9}{one.questions:>5}  doubtful: {one.doubtful}")


def label(
    proposed: Annotated[Path, typer.Argument(metavar="PROPOSED", help="Golden file with questions to review.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Golden file for what is accepted, .jsonl.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    folder: Folder = None,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
) -> None:
    """Review questions by hand. Accept, reject, edit, skip or quit; a later run goes on where you stopped.

    \b
    Examples:
      tercet eval label proposed.jsonl golden.jsonl
      tercet eval label proposed.jsonl golden.jsonl --folder docs
    """
    from tercet.evals.datasets import read_golden
    from tercet.evals.labelling import Review, present

    if out.resolve() == proposed.resolve():
        raise ConfigurationError("The reviewed questions would replace the proposed ones.", remedy="Name another file.")
    review = Review(read_golden(proposed), out)
    corpus = _corpus(memory, folder, database=database, qdrant=qdrant)
    waiting_questions = review.pending()
    for number, question in enumerate(waiting_questions, start=1):
        _show(present(question, corpus), f"{number}/{len(waiting_questions)}")
        if not _decide(review, question):
            break
    left = len(review.pending(skipped=True))
    typer.echo(
        printable(
            f"{counted(len(review.accepted), 'question')} in {out}, {len(review.rejected)} rejected, "
            f"{left} still to decide."
        )
    )


def _show(shown: Presentation, place: str) -> None:
    typer.echo("")
    typer.echo(typer.style(printable(f"[{place}] {' '.join(shown.query.split())}"), bold=True))
    path = " > ".join(shown.heading_path)
    made = f"  ({shown.kind})" if shown.kind else ""
    typer.echo(typer.style(printable(f"{', '.join(shown.uris) or 'unanswerable'}{made}"), fg="cyan"))
    if path:
        typer.echo(printable(path))
    for line in printable(shown.excerpt).split("\n"):
        if line.strip():
            typer.echo(f"    {line}")
    if shown.missing:
        note(f"Not in the corpus: {', '.join(shown.missing)}.")
    if shown.alternatives:
        typer.echo(printable(f"Doubt: may be answered by {', '.join(shown.alternatives)} as well."))


def _decide(review: Review, question: GoldenQuestion) -> bool:
    """Ask until there is a decision; False: stop."""
    while True:
        answer = typer.prompt("[a]ccept, [r]eject, [e]dit, [s]kip, [q]uit", default="", show_default=False)
        choice = answer.strip().lower()[:1]
        if choice == "q":
            return False
        if choice == "e":
            query = typer.prompt("Query", default=question.query)
            named = typer.prompt("Relevant, separated by |", default=" | ".join(question.relevant))
            review.edit(question, query=query, relevant=[one.strip() for one in named.split("|") if one.strip()])
            return True
        decision = {"a": review.accept, "r": review.reject, "s": review.skip}.get(choice)
        if decision is not None:
            decision(question)
            return True


def _corpus(
    memory: Path | None, folder: Path | None, *, database: str | None = None, qdrant: str | None = None
) -> dict[str, CorpusDocument]:
    from tercet.evals.golden import read_corpus

    if folder is not None:
        found = read_corpus(folder)
    else:
        with open_memory(memory or DEFAULT_MEMORY, database=database, qdrant=qdrant, read_only=True) as opened:
            found = read_corpus(opened)
    return {document.uri: document for document in found}


def dataset_kind(text: str | None) -> DatasetKind | None:
    """The kind of data sets that an option names; None: it names none."""
    kinds: dict[str | None, DatasetKind | None] = {
        None: None,
        "retrieval": "retrieval",
        "spans": "spans",
        "conversations": "conversations",
    }
    if text in kinds:
        return kinds[text]
    raise ConfigurationError(
        f"There is no kind {text!r} of data sets.", remedy="Kinds are retrieval, spans and conversations."
    )
