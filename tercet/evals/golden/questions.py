"""Golden questions from your own corpus, without a model and without anyone's work."""

from __future__ import annotations

import random
from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError
from tercet.evals.datasets.golden_files import GoldenQuestion
from tercet.evals.golden.corpus import read_corpus
from tercet.evals.golden.doubt import Alternatives
from tercet.evals.golden.links import links
from tercet.evals.golden.prose import faq, first_sentences, headings
from tercet.evals.golden.symbols import symbols
from tercet.evals.records import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tercet.evals.golden.candidates import Candidate, Kind
    from tercet.evals.golden.corpus import CorpusDocument, Source

KINDS: tuple[Kind, ...] = ("heading", "faq", "link", "symbol", "sentence")


def golden_questions(
    source: Source,
    *,
    seed: int = 0,
    limit: int | None = None,
    kinds: Sequence[Kind] = KINDS,
    doubtful: bool = True,
) -> tuple[GoldenQuestion, ...]:
    """Make questions from what a corpus says about itself.

    A heading says what the text under it is about, a link what its target is about, documentation what a symbol is for,
    and a first sentence what the rest of its section goes on with (the inverse cloze task of Lee, Chang and Toutanova,
    "Latent Retrieval for Weakly Supervised Open Domain Question Answering", ACL 2019). Such a query stands in the
    corpus, so that finding it there proves nothing: measure on what ``hold_out`` makes of the corpus, where the words
    of every query are taken out of the place they came from.

    Args:
        source: A memory, a folder of files, or documents.
        seed: Which of the questions are taken; equal seeds and corpora give equal questions.
        limit: Questions at most, as many of each kind as there are and the limit allows; None: all.
        kinds: Which pseudo-queries to make.
        doubtful: Keep questions that another document may answer as well; their ``alternatives`` name it.

    Returns:
        At most one question a place, so that what is taken out for one does not leave another without its answer. The
        slice ``kind`` tells how each was made.

    Raises:
        ConfigurationError: A kind is unknown.
        SourceError: The folder holds nothing that can be read.

    Example:
        >>> from tercet import Document
        >>> text = "# Keys\\n\\n## Rotating an API key\\n\\n" + "Make a new one, deploy it and revoke the old one. " * 4
        >>> [one.query for one in golden_questions([Document(uri="keys.md", text=text)], kinds=["heading"])]
        ['Rotating an API key']
    """
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ConfigurationError(
            f"There is no kind {unknown[0]!r} of golden questions.", remedy=f"Kinds are {', '.join(KINDS)}."
        )
    corpus = read_corpus(source)
    candidates = list(_candidates(corpus))
    alternatives = Alternatives(candidates, corpus)
    chosen = [one for one in candidates if one.usable and one.kind in kinds]
    if not doubtful:
        chosen = [one for one in chosen if not alternatives.of(one)]
    random.Random(seed).shuffle(chosen)  # noqa: S311  a sample, no secret
    taken = _in_turn(_one_a_place(chosen))
    return tuple(_question(group, alternatives) for group in taken[: len(taken) if limit is None else max(0, limit)])


def _candidates(corpus: Sequence[CorpusDocument]) -> Iterator[Candidate]:
    by_uri = {document.uri: document for document in corpus}
    for document in corpus:
        yield from headings(document)
        yield from faq(document)
        yield from links(document, by_uri)
        yield from symbols(document)
        yield from first_sentences(document)


def _one_a_place(candidates: Iterable[Candidate]) -> list[list[Candidate]]:
    """Groups that make one question each: the links that call one target by one name are one."""
    places: set[tuple[str, int, int]] = set()
    named: dict[tuple[str, str], list[Candidate]] = {}
    asked: set[str] = set()
    groups: list[list[Candidate]] = []
    for one in candidates:
        words = one.query.casefold()
        if one.kind == "link" and (words, one.target) in named:
            named[words, one.target].append(one)
            continue
        place = (one.target, one.start, one.end)
        if place in places or words in asked:
            continue
        places.add(place)
        asked.add(words)
        groups.append([one])
        if one.kind == "link":
            named[words, one.target] = groups[-1]
    return groups


def _in_turn(groups: Iterable[list[Candidate]]) -> list[list[Candidate]]:
    """One of each kind after the other, as long as there are."""
    by_kind: dict[str, list[list[Candidate]]] = defaultdict(list)
    for group in groups:
        by_kind[group[0].kind].append(group)
    ordered = [
        (position, KINDS.index(group[0].kind), group)
        for queue in by_kind.values()
        for position, group in enumerate(queue)
    ]
    return [group for _, _, group in sorted(ordered, key=lambda item: item[:2])]


def _question(group: Sequence[Candidate], alternatives: Alternatives) -> GoldenQuestion:
    one = group[0]
    key = blake2b(f"{one.kind}\0{one.target}\0{one.query}".encode("utf-8", "replace"), digest_size=6).hexdigest()
    sources = (Span(uri=each.source, start=each.source_start, end=each.source_end) for each in group)
    return GoldenQuestion(
        id=f"{one.kind}-{key}",
        query=one.query,
        relevant=(one.target,),
        spans=(Span(uri=one.target, start=one.start, end=one.end),) if one.start < one.end else (),
        slices={"kind": one.kind},
        sources=tuple(sorted(span for span in sources if span.start < span.end)),
        alternatives=alternatives.of(one),
    )
