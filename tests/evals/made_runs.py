"""Runs as `tercet eval run` would leave them, made up with a fixed seed, hostile text included."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import fmean

from tercet.evals.records import DatasetFacts, Estimate, EvalRun, Outcome, RankedItem

HOSTILE = "</script><img src=x onerror=\"console.error('ran')\"><script>console.error('ran')</script>"
"""What a document may hold to get out of a page."""
TOPICS = ("rotate an API key", "restore a backup", "raise the rate limit", "invite a colleague", "cancel a plan")
LANGUAGES = ("en", "de", "ja")
SLICES = ("how-to", "reference", "troubleshooting", "a question of a kind with a name that does not end soon")


def made_run(name: str = "now", *, questions: int = 60, skill: float = 0.6, seed: int = 7) -> EvalRun:
    """A run whose questions are found at rank 1 with probability ``skill``, else later or not at all."""
    outcomes = tuple(_outcome(number, skill, random.Random(1000 * number + seed)) for number in range(questions))
    return EvalRun(
        name=name,
        dataset=DatasetFacts(
            name="handbook",
            kind="retrieval",
            path="evals/golden.jsonl",
            fingerprint="5f1c" * 16,
            documents=420,
            questions=questions,
        ),
        configuration={"chunking": {"tokens": 200}, "retrieval": {"fusion": "dbsf", "candidates": 200, "skill": skill}},
        versions={"tercet": "0.1.0", "python": "3.11.9"},
        seed=seed,
        started="2026-03-01T09:30:00+00:00",
        seconds=12.5,
        measures={
            measure: _estimate(outcomes, measure) for measure in ("nDCG@10", "R@10", "RR@10", "Success@1", "P@5")
        },
        slices={
            kind: {
                value: {
                    measure: _estimate([one for one in outcomes if one.slices[kind] == value], measure)
                    for measure in ("nDCG@10", "R@10")
                }
                for value in sorted({outcome.slices[kind] for outcome in outcomes})
            }
            for kind in ("language", "kind")
        },
        curves={
            "recall against k": tuple((float(k), _recall(outcomes, k)) for k in (1, 2, 3, 5, 10, 20, 50, 100)),
            "retention against budget": tuple(
                (float(budget), min(1.0, 0.35 + skill / 10 + 0.09 * step))
                for step, budget in enumerate((128, 256, 512, 1024, 2048, 4096))
            ),
            "risk against coverage": tuple((part / 10, 0.02 + (1 - skill) * (part / 10) ** 2) for part in range(1, 11)),
        },
        outcomes=outcomes,
    )


def hostile_run(name: str = HOSTILE) -> EvalRun:
    """A run in which every text that comes from data tries to get out of the page."""
    plain = made_run(name, questions=8)
    return replace(
        plain,
        dataset=replace(plain.dataset, name=HOSTILE, path=HOSTILE, fingerprint="5f1c" * 16),
        configuration={HOSTILE: HOSTILE, "nested": {HOSTILE: [HOSTILE]}},
        versions={HOSTILE: HOSTILE},
        curves={f"{HOSTILE} against {HOSTILE}": ((1.0, 0.2), (2.0, 0.4))},
        measures={HOSTILE: Estimate(mean=0.5, low=0.4, high=0.6, count=8)},
        slices={HOSTILE: {HOSTILE: {HOSTILE: Estimate(mean=0.5, low=0.4, high=0.6, count=8)}}},
        outcomes=tuple(
            replace(
                outcome,
                id=f"{number} {HOSTILE}",
                text=f"{number} {HOSTILE} \x00\x1b[31m",
                ranking=(RankedItem(id=HOSTILE, score=1.0, text=HOSTILE),),
                relevant=(HOSTILE, f"{HOSTILE} 2"),
                slices={HOSTILE: HOSTILE},
                values={HOSTILE: number / 10 + (0.1 if name == HOSTILE else 0.0)},
                error=HOSTILE if number % 2 else "",
            )
            for number, outcome in enumerate(plain.outcomes)
        ),
        warnings=(HOSTILE,),
    )


def _outcome(number: int, skill: float, chance: random.Random) -> Outcome:
    wanted = f"guide/page-{number}.md"
    draw = chance.random()
    rank = 1 if draw < skill else chance.randint(2, 30) if draw < skill + 0.3 else None
    ranking = [
        RankedItem(
            id=wanted if place == rank else f"guide/other-{(number * 7 + place) % 97}.md",
            score=round(20 - place / 2 + chance.random() / 10, 4),
            text=f"To {TOPICS[(number + place) % len(TOPICS)]}, open the settings of the workspace. "
            f"Paragraph {place} tells who may do it, what is kept, and how to undo it within thirty days.",
        )
        for place in range(1, 31)
    ]
    gain = {1: 1.0, 2: 0.631, 3: 0.5, 4: 0.431, 5: 0.387}.get(rank or 0, 0.3 if rank and rank <= 10 else 0.0)
    return Outcome(
        id=f"q{number}",
        text=f"How do I {TOPICS[number % len(TOPICS)]} in workspace {number}?",
        ranking=tuple(ranking),
        values={
            "nDCG@10": gain,
            "R@10": float(bool(rank and rank <= 10)),
            "RR@10": 1 / rank if rank and rank <= 10 else 0.0,
            "Success@1": float(rank == 1),
            "P@5": 0.2 if rank and rank <= 5 else 0.0,
        },
        relevant=(wanted,),
        slices={"language": LANGUAGES[number % 3 if number % 5 else 0], "kind": SLICES[number % 4]},
        loss="none" if rank and rank <= 5 else "compression" if rank and rank <= 10 else "read",
        seconds=0.004,
        tokens=480,
    )


def _estimate(outcomes: object, measure: str) -> Estimate:
    values = [outcome.values[measure] for outcome in outcomes]
    mean = fmean(values)
    half = 1.96 * (max(mean * (1 - mean), 0.01) / len(values)) ** 0.5
    return Estimate(mean=mean, low=max(0.0, mean - half), high=min(1.0, mean + half), count=len(values))


def _recall(outcomes: object, k: int) -> float:
    return fmean(any(item.id in outcome.relevant for item in outcome.ranking[:k]) for outcome in outcomes)
