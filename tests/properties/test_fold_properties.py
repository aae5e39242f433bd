"""What became of episodes does not depend on the order in which anything was stored (part of S1.26).

Numbers of rows and of events are given by arrival, so other numbers are another arrival. Left out are the events that
are about others before them, which no arrival can change: an undoing, and which of pinning and unpinning was the last.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.memory.episodes.folding import Event, Fact, fold
from tercet.memory.episodes.records import State

MOST = 7
facts_said = st.lists(
    st.tuples(st.sampled_from(["", "", "tea", "home"]), st.sampled_from([None, b"a", b"b"]), st.integers(0, 3)),
    min_size=2,
    max_size=MOST,
)
"""Subject, key of what says the same, and time."""
changes_said = st.lists(
    st.tuples(
        st.sampled_from(["superseded", "superseded", "retracted", "merged", "expired"]),
        st.integers(0, MOST - 1),
        st.integers(0, MOST - 1),
        st.integers(-1, 4),
    ),
    max_size=5,
)
"""Kind, the record, another record, and until when."""
numbers = st.permutations(range(MOST))


@settings(max_examples=300)
@given(facts=facts_said, changes=changes_said, rows=numbers, events=numbers)
def test_states_do_not_depend_on_the_numbers_that_arrival_gives(facts, changes, rows, events):
    in_order = became(facts, changes, range(MOST), range(MOST))

    assert became(facts, changes, rows, events) == in_order


def became(facts, changes, rows, events) -> dict[int, tuple[State, int | None]]:
    """State of each fact and the fact that it is due to, where facts and changes were stored under these numbers."""
    stored = [Fact(rows[place], f"id{place}", 1, *fact) for place, fact in enumerate(facts)]
    happened = []
    for place, (kind, one, other, until) in enumerate(changes):
        row, by = rows[one % len(facts)], rows[other % len(facts)]
        if row != by:
            happened.append(Event(events[place], row, kind, by if kind in {"superseded", "merged"} else None, until))
    standings = fold(sorted(stored), sorted(happened))
    place_of = {row: place for place, row in enumerate(rows)}
    return {
        place_of[row]: (standing.state, None if standing.by is None else place_of[standing.by])
        for row, standing in standings.items()
    }
