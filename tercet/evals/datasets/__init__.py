"""Data sets of the evals: their kinds, and the readers of the forms they come in."""

from tercet.evals.datasets.beir import load_beir, write_beir
from tercet.evals.datasets.conversations import load_conversations
from tercet.evals.datasets.golden_files import (
    GoldenQuestion,
    golden_dataset,
    golden_spans,
    read_golden,
    write_golden,
)
from tercet.evals.datasets.lint import lint, lint_path
from tercet.evals.datasets.reading import LintFinding
from tercet.evals.datasets.recognition import load_dataset
from tercet.evals.datasets.records import (
    Conversation,
    ConversationDataset,
    ConversationQuestion,
    ConversationTurn,
    Dataset,
    RetrievalDataset,
    Session,
    SpanDataset,
    SpanQuestion,
)
from tercet.evals.datasets.spans import load_spans
from tercet.evals.datasets.trec import read_qrels, read_run, write_qrels, write_run

__all__ = [
    "Conversation",
    "ConversationDataset",
    "ConversationQuestion",
    "ConversationTurn",
    "Dataset",
    "GoldenQuestion",
    "LintFinding",
    "RetrievalDataset",
    "Session",
    "SpanDataset",
    "SpanQuestion",
    "golden_dataset",
    "golden_spans",
    "lint",
    "lint_path",
    "load_beir",
    "load_conversations",
    "load_dataset",
    "load_spans",
    "read_golden",
    "read_qrels",
    "read_run",
    "write_beir",
    "write_golden",
    "write_qrels",
    "write_run",
]
