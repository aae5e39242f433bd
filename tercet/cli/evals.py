"""``tercet eval``: measure retrieval, compare two runs, and stop a change that makes it worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.options import AsJson  # noqa: TC001  # the option parser reads annotations at run time
from tercet.cli.output import note, print_json, printable
from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tercet.evals.comparison import Change, Comparison
    from tercet.evals.gate import Gate
    from tercet.evals.gate_file import GateFile
    from tercet.evals.statistics import Difference

SHOWN_CHANGES = 3
"""Regressions that are shown on a terminal; the page and ``--json`` have more."""

Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        metavar="M",
        help='Compare by this, such as nDCG@10 or "latency ms" (repeatable). Default: all but costs.',
    ),
]
Gates = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        metavar="M>=D",
        help='Fail where the difference is surely below: nDCG@10>=-0.01. Of a cost: "latency ms<=5".',
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="A gate that the questions cannot decide fails too.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write page, summary, JUnit and JSON into this folder.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)]

eval_app = typer.Typer(
    help="Measure retrieval on labelled questions, and compare. Stop a change that makes it worse.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@eval_app.callback()
def _root() -> None:
    pass


@eval_app.command()
def compare(
    baseline: Annotated[Path, typer.Argument(metavar="BASELINE", help="Folder of the run that is there.")],
    candidate: Annotated[Path, typer.Argument(metavar="CANDIDATE", help="Folder of the run that would replace it.")],
    measure: Measures = None,
    gate: Gates = None,
    strict: Strict = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs on the same data, question by question.

    Exit code 1 if a gate fails. A winner is named only where the 95 % interval of the difference excludes 0.

    \b
    Examples:
      tercet eval compare runs/before runs/after
      tercet eval compare runs/before runs/after --measure nDCG@10 --gate "nDCG@10>=-0.01"
      tercet eval compare runs/before runs/after --out comparisons/after --json
    """
    from tercet.evals.gate import Gate

    found = _compared(
        baseline, candidate, measures=measure or (), gates=[Gate.parse(text) for text in gate or ()], strict=strict
    )
    _hand_over(found, out=out, as_json=as_json)


@eval_app.command("gate")
def gate_(
    candidate: Annotated[Path, typer.Argument(metavar="CANDIDATE", help="Folder of the run to judge.")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="DIR", help="Folder of the baseline; else the file's.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="TOML file with the gates. Default: pyproject.toml."),
    ] = None,
    gate: Gates = None,
    strict: Strict = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Make the candidate the stored baseline, whatever the gates say.")
    ] = False,
    summary: Annotated[
        Path | None,
        typer.Option(
            "--summary", metavar="FILE", envvar="GITHUB_STEP_SUMMARY", help="Append the summary to this file."
        ),
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Judge a run by the gates and the baseline of the repository.

    What it adds to compare: gates and baseline come from the table [tool.tercet.eval] of pyproject.toml (keys
    baseline, gates, measures, strict), so that a change of them is reviewed like code; --accept stores a new
    baseline, without the texts of hits, to commit; the summary goes to the page of the CI job. Exit code 1 if a gate
    fails.

    \b
    Examples:
      tercet eval gate runs/now --accept
      tercet eval gate runs/now --out gate
      tercet eval gate runs/now --config evals/gate.toml --summary summary.md
      tercet eval gate runs/now --baseline runs/main --gate "nDCG@10>=-0.01"
    """
    from tercet.evals.gate import Gate
    from tercet.evals.gate_file import store_baseline
    from tercet.evals.runs import read_run
    from tercet.evals.summary import comparison_summary

    settings = _gate_file(config)
    place = baseline or (Path(settings.baseline) if settings.baseline else None)
    if place is None:
        raise ConfigurationError(
            "There is no baseline to judge by.",
            remedy='Write baseline = "evals/baseline" under [tool.tercet.eval] in pyproject.toml, or --baseline DIR.',
        )
    if accept:
        store_baseline(place, read_run(candidate))
        if as_json:
            print_json({"accepted": str(candidate), "baseline": str(place)})
        else:
            typer.echo(printable(f"{candidate} is the baseline now: {place}"))
        return
    gates = [Gate.parse(text) for text in gate or ()] or list(settings.parsed_gates())
    if not gates:
        raise ConfigurationError(
            "There is no gate to judge by.",
            remedy='Write gates = ["nDCG@10>=-0.01"] under [tool.tercet.eval] in pyproject.toml, or add --gate.',
        )
    if not place.exists():
        raise ConfigurationError(
            f"There is no baseline in {str(place)!r} yet.", remedy=f"Store one: tercet eval gate {candidate} --accept"
        )
    measures = [*(one.measure for one in gates), *settings.measures] if settings.measures else []
    found = _compared(place, candidate, measures=measures, gates=gates, strict=strict or settings.strict)
    if summary is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(comparison_summary(found))
    _hand_over(found, out=out, as_json=as_json)


@eval_app.command()
def report(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the run there. Default: where it is.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run, and make its page, summary and JUnit file anew.

    \b
    Examples:
      tercet eval report runs/now
      tercet eval report artifacts/run --out runs/from-ci
      tercet eval report runs/now --json
    """
    from tercet.evals.runs import read_run, write_run
    from tercet.evals.wording import estimate_words, questions

    found = read_run(run)
    folder = write_run(out or run, found)
    failed = [outcome.id for outcome in found.outcomes if outcome.error]
    if as_json:
        print_json(
            {
                "out": str(folder),
                "name": found.name,
                "dataset": {"name": found.dataset.name, "fingerprint": found.dataset.fingerprint},
                "measures": {
                    name: {"mean": one.mean, "low": one.low, "high": one.high, "count": one.count}
                    for name, one in found.measures.items()
                },
                "failed": failed,
                "warnings": list(found.warnings),
            }
        )
        return
    typer.echo(printable(f"{found.name} on {found.dataset.name}, {questions(len(found.outcomes))}"))
    width = max(map(len, found.measures), default=0)
    for name, one in found.measures.items():
        typer.echo(printable(f"  {name:<{width}}  {estimate_words(one)}"))
    for warning in found.warnings:
        note(warning)
    typer.echo(printable(f"Page: {folder / 'report.html'}"))


def _gate_file(path: Path | None) -> GateFile:
    from tercet.evals.gate_file import PYPROJECT, GateFile, read_gate_file

    if path is None and not Path(PYPROJECT).exists():
        return GateFile()
    return read_gate_file(path or Path(PYPROJECT))


def _compared(
    baseline: Path, candidate: Path, *, measures: Sequence[str], gates: Sequence[Gate], strict: bool
) -> Comparison:
    from tercet.evals.comparison import compare_runs
    from tercet.evals.runs import read_run

    return compare_runs(read_run(baseline), read_run(candidate), measures=measures, gates=gates, strict=strict)


def _hand_over(found: Comparison, *, out: Path | None, as_json: bool) -> None:
    """Write and print a comparison, and leave with 1 where a gate failed."""
    from tercet.evals.comparison_files import comparison_document, write_comparison

    if out is not None:
        write_comparison(out, found)
    if as_json:
        print_json(comparison_document(found))
    else:
        _print_comparison(found, out)
    if not found.passed:
        raise typer.Exit(1)


def _print_comparison(found: Comparison, out: Path | None) -> None:
    from tercet.evals.wording import conclusion, detectable_words

    for warning in found.warnings:
        note(warning)
    typer.echo(printable(conclusion(found.main)))
    typer.echo(printable(detectable_words(found.main)))
    typer.echo("")
    _print_differences([(one.measure, one) for one in found.measures])
    for name, values in found.slices.items():
        typer.echo(printable(f"\n{found.main.measure} by {name}"))
        _print_differences(values.items())
    _print_changes("Worst regressions", found.regressions[:SHOWN_CHANGES])
    if found.gates:
        typer.echo("\nGates")
        for result in found.gates:
            typer.echo(printable(f"  {result.message}"))
    if out is not None:
        typer.echo(printable(f"\nPage: {out / 'report.html'}"))


def _print_differences(rows: Iterable[tuple[str, Difference]]) -> None:
    from tercet.evals.wording import difference_words

    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    for name, one in listed:
        typer.echo(printable(f"  {name:<{width}}  {difference_words(one)}"))


def _print_changes(title: str, changes: Sequence[Change]) -> None:
    from tercet.evals.wording import excerpt, number

    if changes:
        typer.echo(f"\n{title}")
    for change in changes:
        outcome = change.outcome
        typer.echo(
            printable(f"  {number(change.baseline)} -> {number(change.candidate)}  {excerpt(outcome.text, 160)}")
        )
        typer.echo(printable(f"    expected {', '.join(outcome.relevant[:3]) or 'nothing'}"))
        for item in outcome.ranking[:2]:
            typer.echo(printable(f"    found    {item.id}  {excerpt(item.text, 100)}".rstrip()))


def _register() -> None:
    """Commands of other modules join here: one import and one line each, functions as app.py takes them."""
    from tercet.cli import evals_data, evals_judge, evals_run

    eval_app.command()(evals_run.run)
    eval_app.command()(evals_run.sweep)
    eval_app.command()(evals_judge.judge)
    eval_app.command()(evals_data.lint)
    eval_app.command()(evals_data.golden)
    eval_app.command()(evals_data.label)


_register()
