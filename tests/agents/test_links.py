from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.agents.links import addresses, check_addresses
from tercet.errors import InputError


@pytest.mark.parametrize(
    "text", ["a // b", "//comment", "x = 7 // 2", "C:\\temp", "10:30", "note: see below", "and/or"]
)
def test_what_only_looks_like_an_address_is_none(text: str) -> None:
    assert addresses(text) == set()


def test_the_same_address_is_known_whatever_stands_around_it() -> None:
    known = addresses("Look at <https://acme.example/a?b=1&c=2>, please.")
    check_addresses(["[here](https://acme.example/a?b=1&amp;c=2)", "See https://acme.example/a?b=1&c=2."], known)
    with pytest.raises(InputError, match=r"no address .*b=1&c=3"):
        check_addresses(["https://acme.example/a?b=1&c=3"], known)


@given(st.text(max_size=200), st.text(alphabet="abc./?=&%-_", min_size=1, max_size=30))
def test_an_invented_address_is_found_wherever_it_stands(around: str, path: str) -> None:
    """S2.51."""
    assert any("evil.example" in found for found in addresses(f"{around} ![x](https://evil.example/{path}) {around}"))
