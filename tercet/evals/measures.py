"""Ranking measures: named, written and computed as trec_eval and ir-measures have them.

``Measure`` is a value: ``parse_measure("nDCG@10")`` equals every other ``nDCG@10``, hashes like it and prints as it.
Per-question values come first and means are somebody else's business: an interval needs the values.

Sources: Buckley and Voorhees, "Retrieval System Evaluation", in *TREC: Experiment and Evaluation in Information
Retrieval* (2005), and the program trec_eval; the notation is that of MacAvaney, Macdonald and Ounis, "Streamlining
Evaluation with ir-measures" (ECIR 2022).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, InputError
from tercet.evals.ranks import JudgedRanks, judged_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tercet.evals.records import Qrels, Run

    Formula = Callable[[JudgedRanks, int | None, int], float]

ALIASES = {
    "NDCG": "nDCG",
    "Recall": "R",
    "Precision": "P",
    "MAP": "AP",
    "MRR": "RR",
    "Hit": "Success",
}
"""Other spellings that are understood, and the name they are printed under."""

_WRITTEN = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\((?P<parameters>[^()]*)\))?(?:@(?P<cutoff>[0-9]{1,9}))?")
_LEVEL = re.compile(r"\s*rel\s*=\s*(?P<level>[0-9]{1,9})\s*")


@dataclass(frozen=True, slots=True)
class Measure:
    """A ranking measure with its cutoff and relevance level.

    A question without a relevant document has 0, and so has one that the run does not answer. Grades below the
    relevance level, negative ones included, are not relevant; documents that nobody judged are not relevant either.

    Raises:
        ConfigurationError: There is no such measure, or it cannot have this cutoff or level.

    Example:
        >>> measure = Measure("P", cutoff=2)
        >>> str(measure)
        'P@2'
        >>> measure.per_query({"q1": {"d1": 1}, "q2": {"d7": 1}}, {"q1": {"d1": 0.9, "d2": 0.8}})
        {'q1': 0.5, 'q2': 0.0}
    """

    name: str
    """One of ``MEASURES``."""
    cutoff: int | None = None
    """The last rank that counts; None for all."""
    rel: int = 1
    """The lowest grade that counts as relevant."""

    def __post_init__(self) -> None:
        definition = MEASURES.get(self.name)
        if definition is None:
            raise ConfigurationError(f"there is no measure {self.name!r}.", remedy=_what_exists())
        if self.cutoff is None and definition.needs_cutoff:
            raise ConfigurationError(f"{self.name} needs a cutoff.", remedy=f"Write {self.name}@10.")
        if self.cutoff is not None and self.cutoff < 1:
            raise ConfigurationError(f"the cutoff of {self} is below 1.", remedy=f"Write {self.name}@10.")
        if self.rel != 1 and not definition.has_level:
            raise ConfigurationError(f"{self.name} has no relevance level.", remedy="Leave rel= out.")
        if self.rel < 1:
            raise ConfigurationError(f"the relevance level of {self} is below 1.", remedy="Write rel=1 or higher.")

    def __str__(self) -> str:
        level = "" if self.rel == 1 else f"(rel={self.rel})"
        return f"{self.name}{level}" + ("" if self.cutoff is None else f"@{self.cutoff}")

    def per_query(self, qrels: Qrels, run: Run) -> dict[str, float]:
        """The value of every judged query, in the order of the judgements; one missing from the run has 0.

        Raises:
            InputError: A score is not a number.
        """
        return evaluate([self], qrels, run)[self]


def evaluate(measures: Iterable[Measure], qrels: Qrels, run: Run) -> dict[Measure, dict[str, float]]:
    """Several measures at once: the same values as ``per_query`` gives, with each ranking sorted once.

    Args:
        measures: Which ones; one named twice is computed once.
        qrels: The judgements. Queries of the run that nobody judged are left out.
        run: The ranking.

    Returns:
        By measure, then query id, in the order of the arguments.

    Raises:
        InputError: A score is not a number.

    Example:
        >>> measures = parse_measures("RR, R@1")
        >>> values = evaluate(measures, {"q1": {"d1": 1}}, {"q1": {"d1": 0.7, "d2": 0.8}})
        >>> {str(measure): value["q1"] for measure, value in values.items()}
        {'RR': 0.5, 'R@1': 0.0}
    """
    values: dict[Measure, dict[str, float]] = {measure: {} for measure in measures}
    columns = [
        (MEASURES[measure.name].formula, measure.cutoff, measure.rel, by_query) for measure, by_query in values.items()
    ]
    for query, judgements in qrels.items():
        try:
            judged = judged_ranks(judgements, run.get(query, {}))
        except InputError as error:
            raise InputError(f"query {query!r}: {error.message}", remedy=error.remedy) from None
        for formula, cutoff, rel, by_query in columns:
            by_query[query] = formula(judged, cutoff, rel)
    return values


def missing_queries(qrels: Qrels, run: Run) -> tuple[str, ...]:
    """Judged queries that the run does not answer, in the order of the judgements; each has 0 in every measure.

    Example:
        >>> missing_queries({"q1": {"d1": 1}, "q2": {"d1": 1}}, {"q1": {}})
        ('q2',)
    """
    return tuple(query for query in qrels if query not in run)


def parse_measure(text: str) -> Measure:
    """Read a measure as ir-measures writes it: ``nDCG@10``, ``RR``, ``P(rel=2)@5``.

    Args:
        text: A name of ``MEASURES`` or ``ALIASES``, then the relevance level, then the cutoff.

    Raises:
        ConfigurationError: There is no such measure, or it cannot have this cutoff or level.

    Example:
        >>> parse_measure("nDCG@10")
        Measure(name='nDCG', cutoff=10, rel=1)
        >>> str(parse_measure("Hit@5"))
        'Success@5'
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(f"{text!r} is not how a measure is written.", remedy=_what_exists())
    rel = 1
    if found["parameters"] is not None:
        level = _LEVEL.fullmatch(found["parameters"])
        if level is None:
            raise ConfigurationError(
                f"{text!r}: ({found['parameters']}) is not understood.",
                remedy="The only parameter is rel, as in P(rel=2)@5.",
            )
        rel = int(level["level"])
    name = ALIASES.get(found["name"], found["name"])
    return Measure(name, None if found["cutoff"] is None else int(found["cutoff"]), rel)


def parse_measures(text: str) -> tuple[Measure, ...]:
    """Read measures separated by commas or blanks, each once and in the order given.

    Raises:
        ConfigurationError: There is none, or one of them cannot be read.

    Example:
        >>> [str(measure) for measure in parse_measures("nDCG@10, R@100 MRR")]
        ['nDCG@10', 'R@100', 'RR']
    """
    written = [one for one in re.split(r"[,\s]+", text) if one]
    if not written:
        raise ConfigurationError("no measure is named.", remedy=_what_exists())
    return tuple(dict.fromkeys(map(parse_measure, written)))


# -- formulas: of the judged ranks, the cutoff and the relevance level -------------------------------------------------


def _ndcg(judged: JudgedRanks, cutoff: int | None, _rel: int) -> float:
    """Järvelin and Kekäläinen (2002): the gain is the grade, the discount log2(rank + 1); negative grades gain 0."""
    ideal = sum(grade / log2(place + 2) for place, grade in enumerate(judged.judgements[:cutoff]) if grade > 0)
    if not ideal:
        return 0.0
    last = judged.retrieved if cutoff is None else cutoff
    found = zip(judged.ranks, judged.grades, strict=True)
    return sum(grade / log2(rank + 1) for rank, grade in found if grade > 0 and rank <= last) / ideal


def _recall(judged: JudgedRanks, cutoff: int | None, rel: int) -> float:
    relevant = judged.relevant_count(rel)
    return len(judged.relevant_ranks(rel, cutoff)) / relevant if relevant else 0.0


def _precision(judged: JudgedRanks, cutoff: int | None, rel: int) -> float:
    """A ranking shorter than the cutoff is filled up with documents that are not relevant."""
    assert cutoff is not None
    return len(judged.relevant_ranks(rel, cutoff)) / cutoff


def _reciprocal_rank(judged: JudgedRanks, cutoff: int | None, rel: int) -> float:
    ranks = judged.relevant_ranks(rel, cutoff)
    return 1 / ranks[0] if ranks else 0.0


def _average_precision(judged: JudgedRanks, cutoff: int | None, rel: int) -> float:
    """The divisor is every relevant document, also where the cutoff is lower."""
    relevant = judged.relevant_count(rel)
    if not relevant:
        return 0.0
    ranks = judged.relevant_ranks(rel, cutoff)
    return sum(found / rank for found, rank in enumerate(ranks, start=1)) / relevant


def _any(judged: JudgedRanks, cutoff: int | None, rel: int) -> float:
    return float(bool(judged.relevant_ranks(rel, cutoff)))


def _all(judged: JudgedRanks, cutoff: int | None, rel: int) -> float:
    relevant = judged.relevant_count(rel)
    return float(relevant > 0 and len(judged.relevant_ranks(rel, cutoff)) == relevant)


def _judged(judged: JudgedRanks, cutoff: int | None, _rel: int) -> float:
    """Of the documents that are there: a ranking shorter than the cutoff is not filled up."""
    seen = judged.retrieved if cutoff is None else min(cutoff, judged.retrieved)
    return sum(rank <= seen for rank in judged.ranks) / seen if seen else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a name of a measure stands for."""

    formula: Formula
    meaning: str
    needs_cutoff: bool = False
    has_level: bool = True


MEASURES: Mapping[str, Definition] = {
    "nDCG": Definition(
        formula=_ndcg, has_level=False, meaning="discounted gain of the grades, as a share of the best order's"
    ),
    "R": Definition(formula=_recall, needs_cutoff=True, meaning="share of the relevant documents that were found"),
    "P": Definition(formula=_precision, needs_cutoff=True, meaning="share of the first k that is relevant"),
    "RR": Definition(formula=_reciprocal_rank, meaning="1 / rank of the first relevant document"),
    "AP": Definition(formula=_average_precision, meaning="mean of the precision at each relevant document"),
    "Success": Definition(formula=_any, needs_cutoff=True, meaning="1 if a relevant document was found"),
    "any": Definition(formula=_any, needs_cutoff=True, meaning="1 if a piece of the evidence was found"),
    "all": Definition(formula=_all, needs_cutoff=True, meaning="1 if each piece of the evidence was found"),
    "Judged": Definition(formula=_judged, has_level=False, meaning="share of the first k that somebody judged"),
}
"""By name, as printed."""


def _what_exists() -> str:
    return (
        f"There are {', '.join(MEASURES)} (also written: {', '.join(ALIASES)}), with a cutoff as in nDCG@10 and a"
        " relevance level as in P(rel=2)@5."
    )
