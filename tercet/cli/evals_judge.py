"""``tercet eval judge``: a model grades what a run found, or answers to its questions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.options import AsJson  # noqa: TC001  # the option parser reads annotations at run time
from tercet.cli.output import counted, note, print_json, printable, progress_shown
from tercet.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from tercet.evals.judging import Judgement
    from tercet.models.chat import ChatModel

SHOWN = 5
"""Problems and flagged texts that are shown on a terminal; ``--json`` has all."""


def judge(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            envvar="TERCET_MODEL",
            help="Who judges, such as claude-…; texts are sent to its service.",
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers", metavar="FILE", help='Judge these instead of passages: lines of {"id", "answer", "reference"}.'
        ),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, metavar="N", help="Verdicts on each text.")] = 3,
    depth: Annotated[int, typer.Option("--depth", metavar="K", help="Passages of each question, from the top.")] = 5,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="So many questions, drawn at random.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of the draw and of the intervals.")] = 0,
    max_requests: Annotated[
        int, typer.Option("--max-requests", min=1, metavar="N", help="Stop before more requests than this.")
    ] = 1_000,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, metavar="N", help="Stop once so many tokens are spent.")
    ] = 2_000_000,
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, metavar="N", help="Requests under way at the same time.")
    ] = 4,
    verdict_cache: Annotated[
        Path | None,
        typer.Option(
            "--verdict-cache",
            metavar="FILE",
            envvar="TERCET_VERDICT_CACHE",
            help="Where verdicts are kept between runs; default: in the user's cache folder.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write every verdict here, one text a line.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have a model grade what a run found, or answers. Optional: nothing else needs it.

    Each text is graded several times, and the spread is told; where gold labels are known, so is how far the model
    agrees with them. Verdicts are kept, so that none is paid for twice. Exit code 1 if an answer was no verdict.

    \b
    Examples:
      tercet eval judge runs/now --model claude-sonnet-5-5 --limit 50
      tercet eval judge runs/now --model claude-sonnet-5-5 --answers answers.jsonl --out verdicts.jsonl
      tercet eval judge runs/now --model claude-sonnet-5-5 --depth 3 --repeats 5 --max-tokens 500000 --json
    """
    from tercet.evals.judging import (
        ANSWER_RUBRIC,
        PASSAGE_RUBRIC,
        Judge,
        VerdictCache,
        answers_of,
        default_verdict_file,
        passages_of,
    )
    from tercet.evals.runs import read_run

    chosen = _model(model)
    found = read_run(run)
    if answers is None:
        items, rubric = passages_of(found, depth=depth, limit=limit, seed=seed), PASSAGE_RUBRIC
    else:
        items, rubric = answers_of(found, answers, limit=limit, seed=seed), ANSWER_RUBRIC
    if out is not None and not out.parent.is_dir():
        raise InputError(f"There is no folder {str(out.parent)!r} to write into.", remedy="Make it, or name another.")
    if not as_json:
        note(f"Asking {chosen.name} for up to {counted(len(items) * repeats, 'verdict')}.")
    with (
        VerdictCache(verdict_cache or default_verdict_file()) as cache,
        progress_shown(quiet=as_json) as progress,
    ):
        asked = Judge(
            chosen,
            rubric=rubric,
            repeats=repeats,
            cache=cache,
            max_requests=max_requests,
            max_tokens=max_tokens,
            parallel=parallel,
        )
        judgement = asyncio.run(asked.judge(items, progress=progress))
    noun = "passage" if answers is None else "answer"
    if out is not None:
        _write(out, judgement)
    if as_json:
        print_json({"run": str(run), "judged": f"{noun}s", **judgement.document(seed=seed)})
    else:
        _print(judgement, name=found.name, noun=noun, seed=seed)
    if judgement.problems:
        raise typer.Exit(1)


def _model(name: str | None) -> ChatModel:
    from tercet.models.chat import resolve_model

    if name is None:
        raise ConfigurationError(
            "No model was chosen to judge, and none is ever guessed: a hosted one costs money and is sent the texts.",
            remedy="Name one: --model claude-…, or TERCET_MODEL. All other measures of a run need no model.",
        )
    if name == "extractive":
        raise ConfigurationError(
            "The model 'extractive' quotes sentences; it can grade nothing.", remedy="Name another: --model claude-…"
        )
    return resolve_model(name)


def _write(path: Path, judgement: Judgement) -> None:
    from tercet.evals.datasets.writing import write_lines
    from tercet.evals.judging import judgement_lines

    try:
        write_lines(path, judgement_lines(judgement))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.", remedy="Name another file.") from error


def _print(judgement: Judgement, *, name: str, noun: str, seed: int) -> None:
    from tercet.evals.wording import excerpt, interval, number, questions

    rubric, verdicts = judgement.rubric, judgement.verdicts
    times = "once" if judgement.repeats == 1 else f"{judgement.repeats} times"
    typer.echo(
        printable(
            f"{name}: {counted(len(judgement.items), noun)}, each judged {times} by {judgement.model} "
            f"({rubric.name} {rubric.version}, {rubric.hash[:12]})"
        )
    )
    if grade := judgement.grade(seed=seed):
        typer.echo(
            f"  grade      {number(grade.mean)} {interval(grade.low, grade.high)} of {rubric.top} "
            f"over {questions(grade.count)}"
        )
    if judgement.spread is not None and judgement.agreement is not None:
        typer.echo(
            f"  spread     {number(judgement.spread)} between repeats; {judgement.agreement:.1%} of pairs give the "
            "same grade"
        )
    if gold := judgement.calibration(seed=seed):
        kappa = (
            f"Cohen's kappa {number(gold.kappa.mean)} {interval(gold.kappa.low, gold.kappa.high)}"
            if gold.kappa
            else "no kappa: one of them says the same of all"
        )
        typer.echo(
            f"  gold       {gold.agreement.mean:.1%} agreement {interval(gold.agreement.low, gold.agreement.high)}, "
            f"{kappa}; {gold.judge_only:,} yes by the judge only, {gold.gold_only:,} by the labels only"
        )
    usage = judgement.usage
    typer.echo(
        f"  cost       {counted(judgement.requests, 'request')}, {usage.input_tokens:,} tokens in, "
        f"{usage.output_tokens:,} out; {judgement.cached:,} of {counted(len(verdicts), 'verdict')} kept from before"
    )
    for one, verdict in judgement.problems[:SHOWN]:
        place = f"{one.item.question_id}, {one.item.id}, repeat {verdict.repeat}"
        note(f"No verdict on {place}: {excerpt(verdict.problem, 200)}")
    if len(judgement.problems) > SHOWN:
        note(f"{len(judgement.problems) - SHOWN:,} more are no verdicts; --json has all.")
    if judgement.flagged:
        without = judgement.grade(seed=seed, flagged=False)
        note(
            f"Warning: {counted(len(judgement.flagged), 'text')} may be trying to steer the judge, such as "
            f"{judgement.flagged[0].item.id}; without them the grade is {number(without.mean) if without else 'none'}."
        )
