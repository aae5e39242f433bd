"""Data sets of the evals: their kinds, and the readers of the forms they come in."""

from tercet.evals.datasets.beir import load_beir
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

__all__ = [
    "Conversation",
    "ConversationDataset",
    "ConversationQuestion",
    "ConversationTurn",
    "Dataset",
    "RetrievalDataset",
    "Session",
    "SpanDataset",
    "SpanQuestion",
    "load_beir",
]
