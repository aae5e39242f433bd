"""Golden questions made from a corpus of your own, and the doubt in their labels."""

from tercet.evals.golden.corpus import CorpusDocument, read_corpus
from tercet.evals.golden.doubt import KindDoubt, label_doubt
from tercet.evals.golden.holding_out import HeldOut, hold_out
from tercet.evals.golden.questions import KINDS, golden_questions

__all__ = [
    "KINDS",
    "CorpusDocument",
    "HeldOut",
    "KindDoubt",
    "golden_questions",
    "hold_out",
    "label_doubt",
    "read_corpus",
]
