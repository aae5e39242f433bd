"""What pruning a context costs in answers, on public documents and questions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tercet.evals.configuration import EvalConfiguration
from tercet.evals.datasets import load_dataset
from tercet.evals.running import run_eval


@pytest.mark.parametrize("corpus", ["chatlogs.md", "wikitexts.md"])
def test_an_eighth_of_the_tokens_holds_most_of_the_evidence_and_a_quarter_nearly_all(
    data_dir: Path, corpus: str
) -> None:
    """S2.64: the contexts of 512 and 1,024 tokens against those of 4,096."""
    whole = load_dataset(data_dir / "chunking_eval")
    dataset = replace(
        whole,
        documents=tuple(one for one in whole.documents if one.uri == corpus),
        questions=tuple(one for one in whole.questions if {span.uri for span in one.spans} == {corpus})[:30],
    )

    run = run_eval(dataset, EvalConfiguration(embedder="none", budgets=(512, 1024, 4096)))
    kept = {budget: run.measures[f"kept@{budget}"].mean for budget in (512, 1024, 4096)}

    assert len(dataset.questions) == 30
    assert kept[4096] > 0.95
    assert kept[512] > 0.75 * kept[4096]
    assert kept[1024] > 0.85 * kept[4096]
