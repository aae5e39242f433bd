"""The doubt in pseudo labels: which other documents may answer a pseudo-query as well."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tercet.evals.golden.candidates import ANALYZER
from tercet.retrieval.near_duplicates import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tercet.evals.datasets import GoldenQuestion
    from tercet.evals.golden.candidates import Candidate
    from tercet.evals.golden.corpus import CorpusDocument


class KindDoubt(NamedTuple):
    """How far the labels of one kind of pseudo-query may be believed."""

    questions: int
    doubtful: int
    """Questions that another document may answer as well."""

    @property
    def share(self) -> float:
        """Of the questions, those that are doubtful."""
        return self.doubtful / self.questions if self.questions else 0.0


def label_doubt(questions: Iterable[GoldenQuestion]) -> Mapping[str, KindDoubt]:
    """By kind, how often another document answers as well.

    It is a lower bound: what is counted are documents that say in nearly the same words that they are about the same
    (headings, titles, links, first sentences, documentation of symbols), and near-duplicates of the target. A document
    that answers in its own words is not seen.
    """
    total: dict[str, int] = defaultdict(int)
    doubtful: dict[str, int] = defaultdict(int)
    for question in questions:
        kind = question.slices.get("kind", "")
        total[kind] += 1
        doubtful[kind] += bool(question.alternatives)
    return {kind: KindDoubt(count, doubtful[kind]) for kind, count in sorted(total.items())}


class Alternatives:
    """Which documents say of themselves, or are said by others, to be about the same.

    Args:
        candidates: All pseudo-queries of the corpus, usable or not.
        corpus: Its documents.
    """

    def __init__(self, candidates: Sequence[Candidate], corpus: Sequence[CorpusDocument]) -> None:
        words = list(dict.fromkeys(candidate.query for candidate in candidates))
        self._same = _groups(words)
        self._about: dict[str, set[str]] = defaultdict(set)
        for candidate in candidates:
            self._about[self._same[candidate.query]].add(candidate.target)
        texts = [document.text for document in corpus]
        twins = _groups(list(dict.fromkeys(texts)))
        by_group: dict[str, set[str]] = defaultdict(set)
        for document in corpus:
            by_group[twins[document.text]].add(document.uri)
        self._twins = {uri: uris for uris in by_group.values() if len(uris) > 1 for uri in uris}

    def of(self, candidate: Candidate) -> tuple[str, ...]:
        """The uris of the other documents, sorted."""
        found = self._about[self._same[candidate.query]] | self._twins.get(candidate.target, set())
        return tuple(sorted(found - {candidate.target}))


def _groups(texts: Sequence[str]) -> dict[str, str]:
    """Each text with the first one that it nearly repeats."""
    repeated = near_duplicates(texts, [ANALYZER.terms(text) for text in texts], range(len(texts)))
    return {text: texts[repeated.get(number, number)] for number, text in enumerate(texts)}
