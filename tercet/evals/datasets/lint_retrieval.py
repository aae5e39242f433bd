"""What is wrong with the judgements of a retrieval data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.evals.datasets.lint_questions import lint_questions, lint_texts

if TYPE_CHECKING:
    from collections.abc import Collection

    from tercet.evals.datasets.lint_questions import Report
    from tercet.evals.datasets.records import RetrievalDataset


def lint_retrieval(dataset: RetrievalDataset, report: Report, uris: Collection[str] | None) -> None:
    """Add what is wrong to a report."""
    known = {document.uri for document in dataset.documents} or (None if uris is None else set(uris))
    if known is not None and _swapped(dataset, known):
        report.error(
            "swapped-columns",
            ("judgements", dataset.name),
            "The judgements name documents where queries belong and queries where documents belong.",
            "Write the query first and the document second.",
        )
    else:
        _references(dataset, report, known)
        _relevance(dataset, report)
    lint_questions(dataset.queries, report, kind="query")
    lint_texts(((one.uri, one.text) for one in dataset.documents), dataset.queries, report, kind="query")


def _swapped(dataset: RetrievalDataset, known: Collection[str]) -> bool:
    # The queries that are kept are those that are judged, so that swapped columns leave none of them.
    judged = [document for one in dataset.qrels.values() for document in one]
    if not judged:
        return False
    right = sum(query not in known for query in dataset.qrels), sum(document in known for document in judged)
    wrong = sum(query in known and query not in dataset.queries for query in dataset.qrels)
    return wrong > len(dataset.qrels) / 2 and right[1] < len(judged) / 2


def _references(dataset: RetrievalDataset, report: Report, known: Collection[str] | None) -> None:
    for query, judged in dataset.qrels.items():
        if query not in dataset.queries:
            report.error(
                "unknown-query",
                ("judgement", query, next(iter(judged), "")),
                f"The judgements name a query {query!r} that is not there.",
                "Add the query, or remove its judgements.",
            )
        for document in judged if known is not None else ():
            if known is not None and document not in known:
                report.error(
                    "unknown-document",
                    ("judgement", query, document),
                    f"Query {query!r} is judged on a document {document!r} that is not there.",
                    "Add the document, or remove the judgement: nothing can find it.",
                )


def _relevance(dataset: RetrievalDataset, report: Report) -> None:
    for query in dataset.queries:
        judged = dataset.qrels.get(query, {})
        relevant = any(grade > 0 for grade in judged.values())
        if query in dataset.unanswerable:
            if relevant:
                report.error(
                    "answered-unanswerable",
                    ("query", query),
                    f"{query!r} is unanswerable, yet a document is judged relevant.",
                    "Remove the mark, or the judgement.",
                )
        elif judged and not relevant:
            report.warning(
                "all-zero",
                ("query", query),
                f"All {len(judged)} judgements of {query!r} are 0.",
                "Judge more documents, or mark the query as unanswerable.",
            )
        elif not judged:
            report.warning(
                "no-relevant",
                ("query", query),
                f"No document is judged relevant for {query!r}.",
                "Name one, or mark the query as unanswerable.",
            )
