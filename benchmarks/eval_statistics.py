"""Whether the intervals, gates and p values of tercet.evals keep their promises, by simulation.

    python benchmarks/eval_statistics.py --data DIR            # DIR holds scifact/ and cookbook_codebase/

A population is a large set of questions whose true mean is known. Each repeat draws 200 questions from it and computes
what a user would see: does the 95 % interval hold the true mean (coverage); does a gate at -0.01 fail although the true
difference is exactly -0.01 (false alarms, bar 5 %); does it fail at -0.03 (power); does the randomisation test find
p <= 0.05 where nothing differs (size).

Synthetic populations (zero-inflated beta values, many ties) served to choose the method among percentile, BCa,
bootstrap-t, symmetric bootstrap-t and Student's interval, which needs no resampling. Real ones are reported: nDCG@10 of
pairs of BM25 variants on public data. A population is brought to a true difference by exponential tilting: questions
are drawn with weights exp(c d), so that their values stay what they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import ir_measures
import numpy as np
from ir_measures import nDCG
from scipy import stats

from tercet import LexicalConfig
from tercet.evals.datasets import RetrievalDataset, load_beir
from tercet.evals.resampling import RESAMPLES, half_widths, randomisation_p, resampled_counts
from tercet.models.lexical import Analyzer, bm25_weights, idf
from tercet.records import embedded_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Bounds = tuple[Values, Values, Values, Values]

MARGIN = -0.01
POPULATION = 200_000
BATCH = 250
SHORT = 2_000
"""Repeats at 50 questions, of power and of the randomisation test."""
PROBABILITIES = (0.025, 0.05, 0.95, 0.975)
VARIANTS = {
    "k1 2, b 1": (LexicalConfig(), 2.0, 1.0),
    "identifiers whole": (LexicalConfig(split_identifiers=False), 1.2, 0.75),
    "no stemming": (LexicalConfig(language="none"), 1.2, 0.75),
}


def zero_inflated(chance: np.random.Generator, zeros: float = 0.25, ones: float = 0.2) -> Values:
    place, values = chance.random(POPULATION), chance.beta(2, 1.5, POPULATION)
    return np.where(place < zeros, 0.0, np.where(place < zeros + ones, 1.0, values))


def synthetic_differences(chance: np.random.Generator) -> dict[str, Values]:
    before, again, place = zero_inflated(chance), zero_inflated(chance), chance.random(POPULATION)
    nudged = np.clip(before + chance.normal(0, 0.2, POPULATION), 0, 1)
    return {
        "40 % drawn anew": np.where(place < 0.4, again - before, 0.0),
        "20 % drawn anew": np.where(place < 0.2, again - before, 0.0),
        "5 % drawn anew": np.where(place < 0.05, again - before, 0.0),
        "50 % nudged": np.where(place < 0.5, nudged - before, 0.0),
        "30 % lose a little, 7 % drawn anew": np.where(
            place < 0.3, -0.05 * before, np.where(place < 0.37, again - before, 0.0)
        ),
        "yes or no, 11 % differ": np.where(place < 0.05, 1.0, np.where(place < 0.11, -1.0, 0.0)),
    }


def synthetic_values(chance: np.random.Generator) -> dict[str, Values]:
    return {
        "mean 0.19": zero_inflated(chance, 0.7, 0.05),
        "mean 0.51": zero_inflated(chance),
        "mean 0.90": zero_inflated(chance, 0.03, 0.8),
    }


def tilted(differences: Values, mean: float) -> Values:
    """The probability of each question under which the mean difference is this."""
    low, high = -100.0, 100.0
    for _ in range(200):
        middle = (low + high) / 2
        weights = np.exp(middle * differences - (abs(middle) * np.abs(differences)).max())
        weights /= weights.sum()
        low, high = (middle, high) if weights @ differences < mean else (low, middle)
    assert abs(weights @ differences - mean) < 1e-9
    return weights


def symmetric(sample: Values, seed: int) -> Bounds:
    """What tercet.evals uses."""
    half, half90 = half_widths(sample, seed=seed)
    mean = sample.mean(axis=0)
    return mean - half, mean - half90, mean + half90, mean + half


def others(sample: Values, seed: int) -> dict[str, Bounds]:
    """Percentile, BCa and bootstrap-t from the same resamples, and Student's interval."""
    questions, columns = sample.shape
    mean = sample.mean(axis=0)
    centred = sample - mean
    error = np.sqrt((centred**2).sum(axis=0) / (questions - 1) / questions)
    counts = np.concatenate([block for _, block in resampled_counts(questions, seed=seed)])
    shifts = counts @ centred / questions
    errors = np.sqrt(np.maximum(counts @ centred**2 / questions - shifts**2, 0.0) / (questions - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(shifts == 0, 0.0, shifts / errors)
    below = (shifts < -1e-15).sum(axis=0) + (np.abs(shifts) <= 1e-15).sum(axis=0) / 2
    bias = stats.norm.ppf(np.clip(below / RESAMPLES, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    acceleration = (centred**3).sum(axis=0) / (6 * np.maximum((centred**2).sum(axis=0), 1e-100) ** 1.5)
    shifts.sort(axis=0)
    ratios.sort(axis=0)
    every = np.arange(columns)

    def at(values: Values, probability: Values | float) -> Values:
        places = np.rint(np.asarray(probability) * (RESAMPLES + 1)).astype(int) - 1
        return values[np.clip(places, 0, RESAMPLES - 1), every]

    def corrected(probability: float) -> Values:
        z = bias + stats.norm.ppf(probability)
        return stats.norm.cdf(bias + z / (1 - acceleration * z))

    return {
        "percentile": tuple(mean + at(shifts, q) for q in PROBABILITIES),
        "BCa": tuple(mean + at(shifts, corrected(q)) for q in PROBABILITIES),
        "bootstrap-t": tuple(mean - error * at(ratios, 1 - q) for q in PROBABILITIES),
        "Student": tuple(mean + error * stats.t.ppf(q, questions - 1) for q in PROBABILITIES),
    }


def simulate(
    population: Values, *, weights: Values | None, truth: float, questions: int, repeats: int, seed: int, every: bool
) -> dict[str, dict[str, float]]:
    """Shares of the repeats, by method."""
    totals: dict[str, Values] = {}
    for batch in range(repeats // BATCH):
        chance = np.random.default_rng([seed, batch, questions])
        sample = chance.choice(population, (questions, BATCH), p=weights)
        found = {"symmetric bootstrap-t": symmetric(sample, batch)}
        if every:
            found |= others(sample, batch)
        for name, (low, lower, upper, high) in found.items():
            width = np.clip(high, -1, 1) - np.clip(low, -1, 1)
            holds, above, below = (
                (low <= truth + 1e-9) & (truth <= high + 1e-9),
                upper < truth - 1e-9,
                lower > truth + 1e-9,
            )
            totals.setdefault(name, np.zeros(4))
            totals[name] += [holds.sum(), above.sum(), below.sum(), width.sum()]
    columns = ("coverage", "upper bound below the truth", "lower bound above the truth", "width")
    return {
        name: dict(zip(columns, np.round(total / (repeats // BATCH * BATCH), 4).tolist(), strict=True))
        for name, total in totals.items()
    }


def power(population: Values, truth: float, *, questions: int, repeats: int, seed: int) -> float:
    """How often the gate fails at this true difference."""
    weights = tilted(population, truth)
    failed = 0
    for batch in range(repeats // BATCH):
        sample = np.random.default_rng([seed, batch, 1]).choice(population, (questions, BATCH), p=weights)
        failed += int(np.count_nonzero(symmetric(sample, batch)[2] < MARGIN - 1e-9))
    return round(failed / (repeats // BATCH * BATCH), 4)


def size(population: Values, *, questions: int, repeats: int, seed: int) -> dict[str, float]:
    """False winners where nothing differs: each difference has the sign of a coin."""
    by_test = by_both = 0
    for batch in range(repeats // BATCH):
        chance = np.random.default_rng([seed, batch, 2])
        sample = chance.choice(population, (questions, BATCH)) * chance.choice([-1.0, 1.0], (questions, BATCH))
        low, _, _, high = symmetric(sample, batch)
        p = np.array([randomisation_p(column, seed=batch) for column in sample.T])
        by_test += int(np.count_nonzero(p <= 0.05))
        by_both += int(np.count_nonzero((p <= 0.05) & ((low > 0) | (high < 0))))
    done = repeats // BATCH * BATCH
    return {"randomisation test": round(by_test / done, 4), "verdict": round(by_both / done, 4)}


def bm25(dataset: RetrievalDataset, config: LexicalConfig, k1: float, b: float) -> Values:
    """nDCG@10 a query, in the order of the data set."""
    analyzer = Analyzer(config)
    counted = [analyzer.count(embedded_text(one.title, (), "", one.text)) for one in dataset.documents]
    average = float(np.mean([counts.length for counts in counted]))
    postings: dict[int, list[tuple[int, float]]] = {}
    for place, counts in enumerate(counted):
        weights = bm25_weights(counts, average_length=average, k1=k1, b=b)
        for term, weight in zip(counts.ids.tolist(), weights.tolist(), strict=True):
            postings.setdefault(term, []).append((place, weight))
    run: dict[str, dict[str, float]] = {}
    for query, text in dataset.queries.items():
        scores = np.zeros(len(counted))
        asked = analyzer.count(text)
        for term, times in zip(asked.ids.tolist(), asked.counts.tolist(), strict=True):
            found = postings.get(term, [])
            for place, weight in found:
                scores[place] += times * weight * idf(len(found), len(counted))
        best = np.argsort(-scores, kind="stable")[:100]
        run[query] = {dataset.documents[place].uri: float(scores[place]) for place in best if scores[place] > 0}
    values = {one.query_id: one.value for one in ir_measures.iter_calc([nDCG @ 10], dataset.qrels, run)}
    return np.array([values.get(query, 0.0) for query in dataset.queries])


def real_differences(data: Path) -> dict[str, Values]:
    found = {}
    for name in ("scifact", "cookbook_codebase"):
        dataset = load_beir(data / name)
        base = bm25(dataset, LexicalConfig(), 1.2, 0.75)
        for variant, (config, k1, b) in VARIANTS.items():
            found[f"{name}, {variant}"] = np.round(bm25(dataset, config, k1, b) - base, 12)
    return found


def seed_of(name: str) -> int:
    """So that no two populations draw the same questions by place."""
    return crc32(name.encode())


def measure_synthetic(name: str, population: Values, repeats: int) -> dict[str, object]:
    """Every method, at 200 and at 50 questions."""
    is_difference = population.min() < 0
    truth = MARGIN if is_difference else float(population.mean())
    weights = tilted(population, MARGIN) if is_difference else None
    row: dict[str, object] = {"truth": round(truth, 4), "differ": share_differing(population, weights)}
    for questions, times in ((200, repeats), (50, SHORT)):
        row[f"{questions} questions"] = simulate(
            population,
            weights=weights,
            truth=truth,
            questions=questions,
            repeats=times,
            seed=seed_of(name),
            every=True,
        )
    return row


def measure_real(name: str, population: Values, repeats: int) -> dict[str, object]:
    """The method chosen."""
    seed, weights = seed_of(name), tilted(population, MARGIN)
    return {
        "mean": round(float(population.mean()), 4),
        "standard deviation": round(float(population.std()), 4),
        "differ": share_differing(population, weights),
        "200 questions": simulate(
            population, weights=weights, truth=MARGIN, questions=200, repeats=repeats, seed=seed, every=False
        ),
        "gate fails at -0.03": power(population, -0.03, questions=200, repeats=SHORT, seed=seed),
        "false winners": size(population, questions=200, repeats=SHORT, seed=seed),
    }


def share_differing(population: Values, weights: Values | None) -> float:
    return round(float(np.average(population != 0, weights=weights)), 4)


def show(name: str, row: dict[str, object]) -> None:
    print(name, {key: value for key, value in row.items() if not key.endswith("questions")}, flush=True)
    for questions in ("200 questions", "50 questions"):
        for method, columns in row.get(questions, {}).items():
            print(
                f"    {questions:14}{method:22}", *(f"{key} {value:.4f} " for key, value in columns.items()), flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).resolve().parent
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("TERCET_DATA", here.parents[1] / "shared/data"))
    )
    parser.add_argument("--repeats", type=int, default=8_000, help="of synthetic populations")
    parser.add_argument("--real-repeats", type=int, default=4_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=here / "results" / "eval_statistics.json")
    options = parser.parse_args()
    started = time.perf_counter()
    chance = np.random.default_rng(7)
    results: dict[str, object] = {
        "command": "python benchmarks/eval_statistics.py --data DIR "
        f"--repeats {options.repeats} --real-repeats {options.real_repeats}",
        "tercet": version("tercet"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "resamples": RESAMPLES,
        "repeats": {"synthetic": options.repeats, "real": options.real_repeats, "50 questions, power, winners": SHORT},
    }
    parts = [
        ("synthetic values", measure_synthetic, options.repeats, lambda: synthetic_values(chance)),
        ("synthetic differences", measure_synthetic, options.repeats, lambda: synthetic_differences(chance)),
        ("real differences", measure_real, options.real_repeats, lambda: real_differences(options.data)),
    ]
    with ProcessPoolExecutor(options.workers) as pool:
        pending = {}
        for part, measure, repeats, populations in parts:
            results[part] = {}
            for name, population in populations().items():
                results[part][name] = {}  # keeps the order, whichever is done first
                pending[pool.submit(measure, name, population, repeats)] = (part, name)
        for done in as_completed(pending):
            part, name = pending[done]
            results[part][name] = done.result()
            show(name, results[part][name])
            results["seconds"] = round(time.perf_counter() - started)
            options.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
