"""Several configurations measured on one data set: what is made for one is used for all, and differences are paired."""

from __future__ import annotations

import json
import os
import re
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercet.errors import ConfigurationError, InputError, TercetError
from tercet.evals.abstention import UNPAIRED
from tercet.evals.corpus import ingest_key
from tercet.evals.running import measure, prepared
from tercet.evals.runs import read_run, write_run
from tercet.evals.statistics import Difference, compare, holm
from tercet.evals.summaries import Summary
from tercet.records import Progress
from tercet.settings import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tercet.evals.grids import Variant
    from tercet.evals.records import EvalRun
    from tercet.evals.tasks import Task
    from tercet.models.embedding import Embedder

SUMMARY = "sweep.json"
NOT_SETTINGS = ("embedder_fingerprint", "stored")
"""What a run notes beside its settings, known only afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a configuration takes."""

    chunks: int
    """Stored and searched."""
    tokens: int
    """Of all chunks, as they are embedded."""
    context_tokens: float | None
    """Mean of a context; None where none was built."""
    ms: float | None
    """Median of a search."""
    ms_p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One configuration of a sweep, measured."""

    variant: Variant
    folder: Path
    run: EvalRun
    cost: Cost
    reused: bool
    """It was there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """All configurations, and how each differs from the baseline."""

    measure: str
    """What decides: the first one."""
    points: tuple[Point, ...]
    baseline: str
    differences: Mapping[str, Mapping[str, Difference]]
    """By measure, then name of the configuration; p values are adjusted for the number of configurations."""
    winner: str | None
    """The best of those that are better than the baseline; None: no difference."""
    cheapest: str
    """Of those that are no worse than the best, by tokens of context, then chunks."""

    @property
    def conclusion(self) -> str:
        """What follows, in words."""
        if self.winner is not None:
            if self.winner == self.baseline:
                return f"the baseline is best: {self.baseline}"
            return f"{self.winner} is better than {self.baseline}: {self.differences[self.measure][self.winner]}"
        return f"no difference: take the cheaper: {self.cheapest}"


def sweep(
    task: Task,
    variants: Sequence[Variant],
    *,
    out: Path,
    baseline: str | None = None,
    embedder: Embedder | None = None,
    cache: Path | None = None,
    keep: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Sweep:
    """Measure every configuration; those that are cut and embedded alike share one memory.

    Each has a run folder below ``out``, written when it is done. One that is there with the same settings, data and
    version is not made again.

    Args:
        task: What is measured.
        variants: The configurations.
        out: Folder of the sweep.
        baseline: Name of the configuration that the others are compared with; None: the first.
        embedder: Instead of those that the configurations name.
        cache: File that vectors are kept in; None: that of the user.
        keep: Folder for the memories; None: temporary ones.
        progress: Called after each step.

    Raises:
        ConfigurationError: There is no such baseline, or no configuration.
        InputError: ``out`` holds something else.
    """
    if not variants:
        raise ConfigurationError("there is no configuration to measure.")
    names = [one.name for one in variants]
    if baseline is not None and baseline not in names:
        raise ConfigurationError(f"no configuration is named {baseline!r}.", remedy=f"There are: {'; '.join(names)}.")
    _claim_folder(out)
    if embedder is not None:
        variants = [replace(one, configuration=replace(one.configuration, embedder=embedder.spec)) for one in variants]
    folders = {one.name: out / folder_name(one) for one in variants}
    finished = {one.name: run for one in variants if (run := _finished(folders[one.name], one, task)) is not None}
    reused = frozenset(finished)
    done = len(finished)
    if progress:
        progress(Progress(phase="sweep", done=done, total=len(variants)))
    for group in _groups([one for one in variants if one.name not in finished]):
        place = keep / ingest_key(group[0].configuration) if keep else None
        with prepared(
            task, group[0].configuration, embedder=embedder, cache=cache, keep=place, progress=progress
        ) as ready:
            for one in group:
                finished[one.name] = measure(task, one.configuration, ready, name=one.name, progress=progress)
                write_run(folders[one.name], finished[one.name])
                done += 1
                if progress:
                    progress(Progress(phase="sweep", done=done, total=len(variants), item=one.name))
    points = tuple(
        Point(
            variant=one,
            folder=folders[one.name],
            run=finished[one.name],
            cost=cost_of(finished[one.name]),
            reused=one.name in reused,
        )
        for one in variants
    )
    found = concluded(points, baseline=baseline or names[0], seed=task.seed)
    _write(out / SUMMARY, json.dumps(document_of(found), ensure_ascii=False, indent=2) + "\n")
    return found


def concluded(points: Sequence[Point], *, baseline: str, seed: int) -> Sweep:
    """Compare every configuration with the baseline, question by question, and say which to take.

    The first measure decides. Measures that cannot be paired have no differences. The p values of each measure are
    adjusted for the number of configurations (Holm).
    """
    runs = {one.variant.name: one.run for one in points}
    names = [name for name in runs[baseline].measures if name not in UNPAIRED]
    differences: dict[str, dict[str, Difference]] = {}
    for name in names:
        before = _values(runs[baseline], name)
        pairs = {other: _values(run, name) for other, run in runs.items() if other != baseline}
        raw = {
            other: compare(before, after, measure=name, seed=seed)
            for other, after in pairs.items()
            if after.keys() == before.keys()
        }
        differences[name] = dict(zip(raw, holm(raw.values()), strict=True))
    deciding = names[0]
    verdicts = {other: one.verdict for other, one in differences[deciding].items()}
    means = {name: run.measures[deciding].mean for name, run in runs.items()}
    better = [name for name in runs if verdicts.get(name) == "candidate"]
    winner: str | None = None
    if better:
        winner = max(better, key=lambda name: means[name])
    elif verdicts and all(verdict == "baseline" for verdict in verdicts.values()):
        winner = baseline
    equal = [one for one in points if verdicts.get(one.variant.name, "no difference") == "no difference"]
    equal.sort(key=lambda one: one.variant.name != baseline)  # the baseline first among equally cheap ones
    cheapest = min(equal, key=lambda one: (one.cost.context_tokens or 0.0, one.cost.chunks)).variant.name
    return Sweep(
        measure=deciding,
        points=tuple(points),
        baseline=baseline,
        differences=differences,
        winner=winner,
        cheapest=winner or cheapest,
    )


def cost_of(run: EvalRun) -> Cost:
    """What a run took, from what it noted."""
    stored = run.configuration.get("stored")
    counts = stored if isinstance(stored, Mapping) else {}
    seconds = [one.seconds for one in run.outcomes if one.seconds is not None]
    latency = Summary.of(seconds) if seconds else None
    tokens = [one.tokens for one in run.outcomes if one.tokens is not None]
    return Cost(
        chunks=int(counts.get("chunks", 0)),
        tokens=int(counts.get("tokens", 0)),
        context_tokens=statistics.fmean(tokens) if tokens else None,
        ms=round(1000 * latency.p50, 3) if latency else None,
        ms_p95=round(1000 * latency.p95, 3) if latency else None,
    )


def document_of(found: Sweep) -> dict[str, Any]:
    """A sweep as JSON values."""
    return {
        "measure": found.measure,
        "baseline": found.baseline,
        "winner": found.winner,
        "cheapest": found.cheapest,
        "conclusion": found.conclusion,
        "dataset": asdict(found.points[0].run.dataset),
        "configurations": [
            {
                "name": one.variant.name,
                "folder": one.folder.name,
                "reused": one.reused,
                "varied": dict(one.variant.varied),
                "measures": {name: asdict(value) for name, value in one.run.measures.items()},
                "differences": {
                    name: asdict(by_name[one.variant.name])
                    for name, by_name in found.differences.items()
                    if one.variant.name in by_name
                },
                "cost": asdict(one.cost),
                "failed": sum(bool(outcome.error) for outcome in one.run.outcomes),
            }
            for one in found.points
        ],
    }


def folder_name(variant: Variant) -> str:
    """A name for a run's folder: what is varied, as far as it fits, and a hash of all settings.

    Example:
        >>> from tercet.evals.grids import grid
        >>> folder_name(grid({"hits": [5, 10]})[0])[:6]
        'hits=5'
    """
    words = re.sub(r"[^A-Za-z0-9=.,_-]+", " ", variant.name).strip().replace(" ", "_")
    return f"{words[:80]}-{fingerprint(variant.configuration)[:8]}"


def _values(run: EvalRun, measure: str) -> dict[str, float]:
    return {one.id: one.values[measure] for one in run.outcomes if measure in one.values}


def _groups(variants: Sequence[Variant]) -> Iterator[list[Variant]]:
    """Configurations that one memory serves, in the order of the first of each."""
    groups: dict[str, list[Variant]] = {}
    for one in variants:
        groups.setdefault(ingest_key(one.configuration), []).append(one)
    yield from groups.values()


def _finished(folder: Path, variant: Variant, task: Task) -> EvalRun | None:
    """The run of an earlier sweep, if it is what would be made now; None: there is none, or it is damaged or old."""
    if not folder.is_dir():
        return None
    try:
        run = read_run(folder)
    except TercetError:
        return None  # it is made again
    settings = {name: value for name, value in run.configuration.items() if name not in NOT_SETTINGS}
    same = (
        settings == task.settings(variant.configuration)
        and run.dataset.fingerprint == task.facts.fingerprint
        and run.seed == task.seed
        and run.versions.get("tercet") == version("tercet")
    )
    return run if same else None


def _claim_folder(out: Path) -> None:
    """See that the folder is new, empty or that of a sweep, and mark it as one."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / SUMMARY).is_file())):
        raise InputError(f"{out} is not the folder of a sweep.", remedy="Name one that does not exist yet.")
    out.mkdir(parents=True, exist_ok=True)
    if not (out / SUMMARY).is_file():
        _write(out / SUMMARY, "{}\n")


def _write(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
