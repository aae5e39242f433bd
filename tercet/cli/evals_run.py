"""``tercet eval run`` and ``tercet eval sweep``: one configuration, or many, measured on a data set."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.evals_data import dataset_kind
from tercet.cli.options import AsJson  # noqa: TC001  # the option parser reads annotations at run time
from tercet.cli.output import counted, note, print_json, printable, progress_shown, seconds
from tercet.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.evals.configuration import Settings
    from tercet.evals.own_corpus import Loaded
    from tercet.evals.records import EvalRun
    from tercet.evals.sweeping import Sweep
    from tercet.evals.tasks import Task

DatasetPath = Annotated[
    Path, typer.Option("--dataset", metavar="D", help="Folder or file of a data set; see docs/evals.md for the forms.")
]
Configuration = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings in sections, as YAML, TOML or JSON.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting, such as retrieval.fusion=rrf (repeatable)."),
]
Embedder = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        metavar="SPEC",
        envvar="TERCET_EMBEDDER",
        help='Embedding model: a name, a folder, or "none" for words only.',
    ),
]
Measures = Annotated[
    str | None, typer.Option("--measures", metavar="M", help='Such as "nDCG@10 R@100"; default: those of the data set.')
]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", help="So many questions, drawn at random.")]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="Of the draw and of the intervals.")]
Documents = Annotated[
    Path | None,
    typer.Option("--documents", metavar="PATH", help="What to ingest, where the data set brings no documents."),
]
OwnMemory = Annotated[
    Path | None,
    typer.Option("--memory", metavar="DIR", help="Or a memory of yours, which is searched as it stands."),
]
Kind = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help='"spans": measure a golden file by the places that it names.'),
]
HoldOut = Annotated[
    bool,
    typer.Option(
        "--hold-out/--no-hold-out",
        help="Take the words of questions that `golden` made out of the documents first, or search them as they are.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--embedding-cache",
        metavar="FILE",
        envvar="TERCET_EMBEDDING_CACHE",
        help="Where vectors are kept between runs; default: in the user's cache folder.",
    ),
]


def run(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", metavar="R", help="Folder of the run.")],
    config: Configuration = None,
    set_: Set = None,
    embedder: Embedder = None,
    measures: Measures = None,
    limit: Limit = None,
    seed: Seed = 0,
    documents: Documents = None,
    memory: OwnMemory = None,
    kind: Kind = None,
    hold_out: HoldOut = True,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the memory that is made in this folder.")
    ] = None,
    embedding_cache: Cache = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of the run; default: that of its folder.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is in the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure one configuration on a data set. The run is written to a folder.

    The documents are ingested into a temporary memory and every question is searched. No text is embedded twice:
    vectors are kept between runs. Questions that fail count as zero and are listed.

    \b
    Examples:
      tercet eval run --dataset data/scifact --out runs/first
      tercet eval run --dataset data/scifact --out runs/rrf --set retrieval.fusion=rrf
      tercet eval run --dataset golden.jsonl --documents docs/ --out runs/docs --measures "nDCG@10 R@20"
      tercet eval run --dataset golden.jsonl --memory .tercet --out runs/mine --json
    """
    from tercet.evals.own_corpus import load_with_corpus
    from tercet.evals.running import incomplete, measure, prepared
    from tercet.evals.runs import write_run

    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not overwrite:
        raise InputError(f"{out} is not empty.", remedy="Name another folder, or add --overwrite to replace the run.")
    settings = _settings(config, set_, embedder)
    configuration = _single(settings)
    named = dataset_kind(kind)
    loaded = load_with_corpus(dataset, documents=documents, memory=memory, hold_out=hold_out, kind=named)
    task = _task(loaded, dataset, measures, limit, seed)
    with (
        progress_shown(quiet=as_json) as progress,
        prepared(task, configuration, cache=embedding_cache, keep=keep, progress=progress) as ready,
    ):
        found = measure(task, configuration, ready, name=name or out.resolve().name, progress=progress)
    write_run(out, found)
    if as_json:
        print_json(run_document(found, out))
    else:
        _print_run(found, out)
    if incomplete(found):
        raise typer.Exit(1)


def sweep(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", metavar="R", help="Folder of the sweep; each run has one below it.")],
    config: Configuration = None,
    set_: Set = None,
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="NAME=A,B", help="A setting and its values (repeatable)."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="NAME", help="What the others are compared with; default: the first."),
    ] = None,
    embedder: Embedder = None,
    measures: Measures = None,
    limit: Limit = None,
    seed: Seed = 0,
    documents: Documents = None,
    kind: Kind = None,
    hold_out: HoldOut = True,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the memories that are made in this folder.")
    ] = None,
    embedding_cache: Cache = None,
    as_json: AsJson = False,
) -> None:
    """Measure every combination of settings, and say which to take.

    Settings with a list of values in the configuration file are varied too. Configurations that are cut and embedded
    alike share one memory. Differences to the baseline are paired by question and adjusted for their number (Holm). Run
    the same command again to go on after an interruption: what is finished is not made again.

    \b
    Examples:
      tercet eval sweep --dataset data/scifact --out sweeps/fusion --vary retrieval.fusion=dbsf,rrf,minmax
      tercet eval sweep --dataset data/scifact --out sweeps/size --vary chunking.max_tokens=128,256 --json
      tercet eval sweep --dataset data/scifact --out sweeps/grid --config grid.yaml
    """
    from tercet.evals.grids import grid, parse_variation
    from tercet.evals.own_corpus import load_with_corpus
    from tercet.evals.running import incomplete
    from tercet.evals.sweeping import document_of
    from tercet.evals.sweeping import sweep as run_sweep

    variants = grid(_settings(config, set_, embedder), [parse_variation(one) for one in vary or ()])
    loaded = load_with_corpus(dataset, documents=documents, hold_out=hold_out, kind=dataset_kind(kind))
    task = _task(loaded, dataset, measures, limit, seed)
    with progress_shown(quiet=as_json) as progress:
        found = run_sweep(
            task, variants, out=out, baseline=baseline, cache=embedding_cache, keep=keep, progress=progress
        )
    if as_json:
        print_json({"out": str(out), **document_of(found)})
    else:
        _print_sweep(found, out)
    if any(incomplete(one.run) for one in found.points):
        raise typer.Exit(1)


def run_document(found: EvalRun, out: Path) -> dict[str, Any]:
    """What ``--json`` prints of a run."""
    from tercet.evals.sweeping import cost_of

    cost = cost_of(found)
    return {
        "name": found.name,
        "out": str(out),
        "dataset": {"name": found.dataset.name, "kind": found.dataset.kind, "fingerprint": found.dataset.fingerprint},
        "questions": len(found.outcomes),
        "measures": {name: asdict(one) for name, one in found.measures.items()},
        "cost": asdict(cost),
        "losses": _losses(found),
        "failed": [{"id": one.id, "error": one.error} for one in found.outcomes if one.error],
        "warnings": list(found.warnings),
        "seconds": round(found.seconds, 3),
    }


def _settings(config: Path | None, set_: Sequence[str] | None, embedder: str | None) -> Settings:
    from tercet.evals.configuration import parse_setting, read_settings

    settings = read_settings(config) if config else {}
    settings.update(parse_setting(one) for one in set_ or ())
    if embedder is not None:
        settings["embedder"] = embedder
    return settings


def _single(settings: Settings) -> Any:  # noqa: ANN401 -- loaded only here
    from tercet.evals.configuration import is_grid, make_configuration

    several = [name for name, value in settings.items() if is_grid(name, value)]
    if several:
        raise ConfigurationError(
            f"{several[0]} has several values: {settings[several[0]]}.",
            remedy="Use `tercet eval sweep`, or give it one with --set.",
        )
    return make_configuration(settings)


def _task(loaded: Loaded, path: Path, measures: str | None, limit: int | None, seed: int) -> Task:
    from tercet.evals.tasks import make_task

    return make_task(
        loaded.dataset,
        path=path,
        measures=measures,
        limit=limit,
        seed=seed,
        documents=loaded.documents,
        memory=loaded.memory,
        held_out=loaded.held_out,
    )


def _losses(found: EvalRun) -> dict[str, int]:
    losses = dict.fromkeys(("none", "write", "read", "compression"), 0)
    for one in found.outcomes:
        if one.loss is not None:
            losses[one.loss] += 1
    return losses


def _print_run(found: EvalRun, out: Path) -> None:
    from tercet.evals.wording import LOSSES

    document = run_document(found, out)
    typer.echo(printable(f"{found.name}: {counted(len(found.outcomes), 'question')} of {found.dataset.name}"))
    width = max(map(len, found.measures), default=0)
    for name, one in found.measures.items():
        typer.echo(f"  {name:<{width}}  {one.mean:.4f}  [{one.low:.4f}, {one.high:.4f}]  n={one.count:,}")
    losses = {name: count for name, count in document["losses"].items() if count and name != "none"}
    if losses:
        lost = (f"{counted(count, 'question')} {LOSSES[name]}" for name, count in losses.items())
        typer.echo(f"Evidence lost: {'; '.join(lost)}")
    for failure in document["failed"]:
        typer.echo(printable(f"  failed {failure['id']}: {failure['error']}"))
    for warning in found.warnings:
        note(f"Warning: {warning}")
    typer.echo(f"Written to {out} after {seconds(found.seconds)}")


def _print_sweep(found: Sweep, out: Path) -> None:
    from tercet.evals.abstention import UNPAIRED, WHY_UNPAIRED

    names = list(found.points[0].run.measures)
    rows = [["configuration", *names, "chunks", "ms"]]
    for one in found.points:
        values = (f"{one.run.measures[name].mean:.4f}" if name in one.run.measures else "" for name in names)
        rows.append(
            [one.variant.name, *values, f"{one.cost.chunks:,}", f"{one.cost.ms:.1f}" if one.cost.ms is not None else ""]
        )
    _print_table(rows)
    differences = found.differences[found.measure]
    if differences:
        typer.echo(printable(f"\n{found.measure} beside {found.baseline}"))
        _print_table(
            [
                ["configuration", "difference", "95 % interval", "p"],
                *(
                    [name, f"{one.difference:+.4f}", f"[{one.low:+.4f}, {one.high:+.4f}]", f"{one.p:.4f}"]
                    for name, one in differences.items()
                ),
            ]
        )
    for name in names:
        if name in UNPAIRED:
            note(f"{name} is not compared: {WHY_UNPAIRED}.")
    typer.echo(printable(f"\n{found.conclusion}"))
    typer.echo(f"Written to {out}")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows below a header in columns; on a terminal too narrow for them, each under its first cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = shutil.get_terminal_size().columns
    if sum(widths) + 2 * len(widths) - 2 <= room:
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            typer.echo(printable(line.rstrip()))
        return
    header = rows[0]
    for name, *cells in rows[1:]:
        typer.echo(printable(name))
        line = ""
        for pair in (f"  {title} {cell}" for title, cell in zip(header[1:], cells, strict=True) if cell):
            if line and len(line) + len(pair) > room:
                typer.echo(printable(line))
                line = ""
            line += pair
        typer.echo(printable(line))
