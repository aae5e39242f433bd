"""From what the workers said to medians, tables and bars met or missed."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Facts = dict[str, Any]

SOONER = 20.0
FASTER_TOKENS = 1.5
DENSE_WITHIN = 2.0
EQUAL_RECALL = 0.02
"""A search whose recall@10 lies further below Tercet's is shown, but is not one to be faster than."""


def median_of(runs: Sequence[Facts]) -> Facts:
    """Medians of the numbers of several runs, case by case; runs that failed are counted, not averaged.

    Args:
        runs: What a worker said each time; ``{"failed": why}`` for a run that failed.
    """
    good = [run for run in runs if "failed" not in run]
    if not good:
        return {"failed": runs[-1]["failed"]}
    merged: Facts = {}
    for name, value in good[0].items():
        if isinstance(value, dict):
            merged[name] = median_of([run[name] for run in good])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            merged[name] = round(statistics.median(run[name] for run in good), 3)
        else:
            merged[name] = value
    if len(good) < len(runs):
        merged["runs that failed"] = len(runs) - len(good)
    return merged


def bar(what: str, wanted: str, measured: str, met: bool) -> Facts:
    """A bar with its verdict."""
    return {"what": what, "bar": wanted, "measured": measured, "verdict": "met" if met else "MISSED"}


def with_rates(row: Facts) -> Facts:
    """An ingest row with its tokens a second: inside the embedder, and over the whole run.

    Imports count in the whole run: Tercet imports PyTorch only when the first vector is wanted, the peers before.
    """
    if "failed" in row:
        return row
    return row | {
        "tokens/s in the embedder": round(row["tokens"] / row["inside the embedder s"]),
        "tokens/s of the whole run": round(row["tokens"] / (row["imports s"] + row["total s"])),
        "share of tokens read": round(row["tokens"] / (row["tokens"] + row["tokens beyond what the model reads"]), 3),
    }


def ingest_bars(rows: Mapping[str, Facts]) -> list[Facts]:
    """Tercet beside each peer as it comes (float32): searchable, tokens a second, memory."""
    ours = rows.get("tercet", {"failed": ""})
    found = []
    for name, row in _peers(rows, ours):
        if "bfloat16" in name:
            continue
        sooner = row["searchable s"] / ours["searchable s"]
        found.append(
            bar(f"searchable, beside {name}", f"{SOONER:g} times sooner", f"{sooner:.1f} times", sooner >= SOONER)
        )
        for rate in ("tokens/s in the embedder", "tokens/s of the whole run"):
            times = ours[rate] / row[rate]
            found.append(
                bar(f"{rate}, beside {name}", f"{FASTER_TOKENS:g} times", f"{times:.2f} times", times >= FASTER_TOKENS)
            )
        memory = f"{ours['peak MB']:.0f} MB, peer {row['peak MB']:.0f} MB"
        found.append(bar(f"peak memory, beside {name}", "no higher", memory, ours["peak MB"] <= row["peak MB"]))
    return found


def with_recall(row: Facts, truth: Mapping[str, Sequence[Any]]) -> Facts:
    """A query row in which what was found is replaced by how much of what should be found that is."""
    if "failed" in row:
        return row
    return row | {"cases": {name: _recalled(name, case, truth) for name, case in row["cases"].items()}}


def _recalled(name: str, case: Facts, truth: Mapping[str, Sequence[Any]]) -> Facts:
    if "not offered" in case:
        return case
    found = case["found"]
    figures = {key: value for key, value in case.items() if key != "found"}
    figures["fewest hits"] = min(map(len, found))
    sources = truth["source"][: len(found)]
    figures["source found"] = round(_mean(source in hits for source, hits in zip(sources, found, strict=True)), 3)
    if "dense" in name:
        wanted = truth["filtered dense" if name.startswith("filtered") else "dense"][: len(found)]
        pairs = zip(wanted, found, strict=True)
        figures["recall@10"] = round(_mean(len(set(hits) & set(exact)) / len(exact) for exact, hits in pairs), 3)
    return figures


def query_bars(rows: Mapping[str, Facts], size: int) -> list[Facts]:
    """Tercet beside the fastest peer of each kind of search with equal recall."""
    ours = rows.get("tercet", {"failed": ""})
    if "failed" in ours:
        return []
    found = []
    kinds = {"dense": DENSE_WITHIN, "hybrid": 1.0, "filtered dense": 1.0, "filtered hybrid": 1.0}
    for kind, within in kinds.items():
        mine = ours["cases"][kind]
        others = {
            f"{name} ({case})": figures["p50 ms"]
            for name, row in _peers(rows, ours)
            for case, figures in row["cases"].items()
            if (case == kind or case.startswith(f"{kind},"))
            and _comparable(figures, mine)
            # A hybrid search has no recall of its own: it has that of the dense search in it.
            and _comparable(_dense(row, case), _dense(ours, kind))
        }
        if not others:
            continue
        fastest = min(others, key=lambda name: others[name])
        wanted = f"within {within:g} times of the fastest" if within > 1 else "fastest"
        measured = f"p50 {mine['p50 ms']:.2f} ms, fastest peer {fastest} {others[fastest]:.2f} ms"
        found.append(bar(f"{kind}, {size:,} vectors", wanted, measured, mine["p50 ms"] <= within * others[fastest]))
    return found


def _dense(row: Facts, case: str) -> Facts:
    dense: Facts = row["cases"].get(case.replace("hybrid", "dense"), row["cases"][case])
    return dense


def _comparable(figures: Facts, mine: Facts) -> bool:
    if "not offered" in figures or figures["fewest hits"] < mine["fewest hits"]:
        return False
    return figures.get("recall@10", 1.0) >= mine.get("recall@10", 1.0) - EQUAL_RECALL


def quality_bars(rows: Mapping[str, Facts], dataset: str) -> list[Facts]:
    """Tercet's nDCG@10 above each peer's, with the interval of the difference."""
    ours = rows.get("tercet", {"failed": ""})
    found = []
    for name, row in _peers(rows, ours):
        difference = row["tercet minus this"]
        clear = "" if difference["low"] > 0 else "; the interval holds 0"
        measured = f"+{difference['mean']:.4f} [{difference['low']:.4f}, {difference['high']:.4f}]{clear}"
        measured = measured.replace("+-", "-")
        found.append(bar(f"nDCG@10 on {dataset}, beside {name}", "above", measured, difference["mean"] > 0))
    return found


def _peers(rows: Mapping[str, Facts], ours: Facts) -> list[tuple[str, Facts]]:
    if "failed" in ours:
        return []
    return [(name, row) for name, row in rows.items() if name != "tercet" and "failed" not in row]


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def table(rows: Mapping[str, Facts], columns: Sequence[str]) -> str:
    """Rows as a Markdown table; a row that failed, or a search that is not offered, says why."""
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name, row in rows.items():
        reason = row.get("failed") or row.get("not offered")
        if reason:
            word = "failed" if "failed" in row else "not offered"
            cells = [f"{word}: {reason}", *[""] * (len(columns) - 1)]
        else:
            cells = [_cell(row.get(column, "")) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    if isinstance(value, float) and value.is_integer() and value > 100:
        return f"{value:.0f}"
    return str(value)


def bars_table(bars: Sequence[Facts]) -> str:
    """Bars with their verdicts as a Markdown table."""
    return table({one["what"]: one for one in bars}, ["bar", "measured", "verdict"])
