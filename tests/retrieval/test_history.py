from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.errors import BudgetError, InputError
from tercet.models.tokens import WordEstimate
from tercet.retrieval.history import CompressedHistory, Utterance, compress_history
from tests.retrieval.conversations import STYLES, conversation


class Quarters:
    name = "characters/4"

    def count(self, text: str) -> int:
        return -(-len(text) // 4)


def compress(*texts: str, budget: int = 200, question: str | None = None) -> CompressedHistory:
    turns = [Utterance(id=str(place), text=text) for place, text in enumerate(texts)]
    return compress_history(turns, budget, Quarters(), question=question)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", range(4))
def test_planted_facts_and_decisions_survive_300_of_5000_tokens(style: str, seed: int) -> None:
    """S2.43: reasoning goes, facts and decisions stay word for word, each with the turn that it is from."""
    turns, planted = conversation(style, seed)
    assert Quarters().count("\n".join(turn.text for turn in turns)) >= 5_000
    result = compress_history(turns, 300, Quarters())
    texts = {turn.id: turn.text for turn in turns}

    assert [value for value in planted if value not in result.text] == []
    assert result.tokens <= 300
    assert all(texts[line.turn_id][line.start : line.end] == line.text for line in result.lines)
    assert len(result.lines) <= 2 * len(planted)  # reasoning is gone, even where there is room for it


def test_pinned_turns_stay_byte_for_byte_after_many_turns() -> None:
    """Part of S1.06: what is pinned survives compaction."""
    constraint = "  Never deploy on Fridays.\n\tAsk  twice before deleting. "
    turns, _ = conversation("project", 9)
    result = compress_history([Utterance(id="c", text=constraint, pinned=True), *turns], 60, Quarters())

    assert constraint in result.text
    assert result.lines[0].pinned
    with pytest.raises(BudgetError, match="pinned"):
        compress_history([Utterance(id="c", text=constraint, pinned=True)], 5, Quarters())


def test_a_later_correction_replaces_what_it_corrects() -> None:
    result = compress(
        "The staging server listens on port 8080.",
        "Good to know.",
        "Correction: the staging server listens on port 9090.",
        "Actually, the staging server listens on port 9191.",
    )

    assert result.text == "Actually, the staging server listens on port 9191."
    corrected = [dropped for dropped in result.dropped if dropped.reason == "corrected"]
    assert {dropped.by and dropped.by.turn_id for dropped in corrected} == {"3"}
    assert len(corrected) == 2


def test_repetition_is_kept_once() -> None:
    result = compress(*["We decided to ship version 2.4.1 to all the customers in May."] * 3)

    assert len(result.lines) == 1
    assert [dropped.reason for dropped in result.dropped] == ["near-duplicate"] * 2


def test_the_next_question_decides_what_is_kept_in_a_small_budget() -> None:
    texts = ("My cat is called Miso.", "The launch is on 14 March 2027.")

    assert compress(*texts, budget=6, question="What is the cat called?").text == texts[0]


def test_one_id_for_two_turns_is_refused() -> None:
    with pytest.raises(InputError):
        compress_history([Utterance(id="a", text="x"), Utterance(id="a", text="y")], 5, Quarters())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["We agreed on 5 May. ", "Hi! ", "Port 80. ", "No. "]) | st.text(max_size=60)),
        max_size=8,
    ),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from([Quarters(), WordEstimate()]),
)
def test_any_conversation_fits_and_more_budget_keeps_more(found, one: int, other: int, counter) -> None:
    turns = [Utterance(id=str(place), text=text, speaker="A") for place, (text,) in enumerate(found)]
    small, large = (compress_history(turns, budget, counter) for budget in sorted((one, other)))

    assert small.tokens == counter.count(small.text) <= small.budget
    assert large.tokens <= large.budget
    assert set(small.lines) <= set(large.lines)


def test_a_public_conversation_keeps_what_was_planted_in_it(data_dir: Path) -> None:
    """Real chat in place of made-up reasoning; it holds facts of its own, so twice the budget is given."""
    path = data_dir / "lihua_world" / "conversations.jsonl"
    with path.open(encoding="utf-8") as file:
        sessions = json.loads(next(file))["sessions"]
    said = islice((turn["text"] for session in sessions for turn in session["turns"]), 100)
    texts = list(said)
    planted = ["We decided to store events in PostgreSQL 16.", "The launch deadline is 14 March 2027."]
    texts[20:20], texts[60:60] = [planted[0]], [planted[1]]
    result = compress(*texts, budget=600)

    assert [fact for fact in planted if fact not in result.text] == []
