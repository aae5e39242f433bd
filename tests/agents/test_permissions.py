"""What a policy permits, and what does not evade it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tercet.agents.permissions import Permissions
from tercet.agents.rules import read_rule
from tercet.agents.thresholds import Threshold
from tercet.agents.tools.schema import check
from tercet.errors import ConfigurationError
from tests.agents.example_tools import OPEN, label, pay, search_documents, send_mail, verdict

# -- deny by default ------------------------------------------------------------------------------------------------


def test_what_no_rule_speaks_of_is_denied_and_the_model_is_not_told_of_it() -> None:
    """Part of S1.20."""
    nothing = Permissions(**OPEN)

    assert verdict(nothing, search_documents, query="a") == "deny"
    assert nothing.visible([search_documents, pay]) == ()
    some = Permissions(allow=["search_*"], ask=["send_mail"], **OPEN)
    assert some.visible([search_documents, pay, send_mail]) == (search_documents, send_mail)


def test_sources_and_systems_have_to_be_opened() -> None:
    """Part of S1.20."""
    named = ["search_documents", "pay"]

    closed = Permissions(allow=named)
    assert closed.decide(search_documents, {"query": "a"}) == (
        "deny",
        "readable",
        "'search_documents' needs 'semantic:docs', which is not readable here",
    )
    assert closed.visible([search_documents, pay, label]) == ()
    docs = Permissions(allow=named, readable=["semantic:d*"])
    assert verdict(docs, search_documents, query="a") == "allow"
    assert docs.decide(pay, {"euros": "1", "to": "a"}).rule == "writable"
    assert verdict(Permissions(allow=named, readable=["semantic"]), search_documents, query="a") == "deny"


def test_a_research_agent_writes_nothing_and_an_invoicing_one_sends_no_mail() -> None:
    """S1.22."""
    research = Permissions(allow=["*"], readable=["*"])
    invoicing = Permissions(allow=["*"], readable=["*"], writable=["bank"])

    assert research.visible([send_mail, pay, search_documents, label]) == (search_documents, label)
    assert verdict(research, send_mail, to=["a"]) == "deny"
    assert verdict(invoicing, pay, euros="1", to="a") == "allow"
    assert verdict(invoicing, send_mail, to=["a"]) == "deny"


def test_deny_beats_ask_and_ask_beats_allow() -> None:
    policy = Permissions(allow=["*"], ask=["pay", "send_mail"], deny=["send_*"], **OPEN)

    assert policy.decide(send_mail, {"to": ["a"]})[:2] == ("deny", "deny: send_*")
    assert policy.decide(pay, {"euros": "1", "to": "a"})[:2] == ("ask", "ask: pay")
    assert policy.decide(search_documents, {"query": "a"})[:2] == ("allow", "allow: *")
    assert policy.visible([send_mail, pay]) == (pay,)


# -- arguments ------------------------------------------------------------------------------------------------------


def test_a_list_is_allowed_only_if_every_element_is() -> None:
    policy = Permissions(allow=["send_mail(to=*@acme.example)"], **OPEN)

    assert verdict(policy, send_mail, to=["ada@acme.example", "bob@acme.example"]) == "allow"
    assert verdict(policy, send_mail, to=["ada@acme.example", "eve@evil.example"]) == "deny"
    assert verdict(policy, send_mail, to=[["ada@acme.example"], [["eve@evil.example"]]]) == "deny"
    assert verdict(policy, send_mail, to=[]) == "deny"
    assert verdict(policy, send_mail) == "deny"


@pytest.mark.parametrize(
    "recipient",
    [
        "ADA@ACME.EXAMPLE",
        "eve@evil.example\n@acme.example",
        "eve@evil.example\u2028@acme.example",
        "ada\u200b@acme.example",
        "ada@acme.example ",
        "ada@acme\uff0eexample",
        None,
        True,
        {"nested": "eve@evil.example"},
    ],
)
def test_an_allowed_argument_has_to_match_as_it_stands(recipient: Any) -> None:
    policy = Permissions(allow=["send_mail(to=*@acme.example)"], **OPEN)

    assert verdict(policy, send_mail, to=[recipient]) == "deny"
    assert verdict(policy, send_mail, to=recipient) == "deny"


@pytest.mark.parametrize(
    "recipient",
    [
        "eve@evil.example",
        "EVE@Evil.Example",
        "  eve@evil.example\n",
        "eve@evil\uff0eexample",
        "\uff45\uff56\uff45@\uff45\uff56\uff49\uff4c.example",
        "eve@e\u200bvil.example",
        "eve@evil.exa\u00admple",
        ["ada@acme.example", "eve@evil.example"],
        [["ada@acme.example"], ["EVE@evil.example"]],
        {"to": "eve@evil.example"},
    ],
)
def test_a_denied_argument_is_denied_however_it_is_written(recipient: Any) -> None:
    policy = Permissions(allow=["send_mail"], deny=["send_mail(to=*@evil.example)"], **OPEN)
    assert verdict(policy, send_mail, to=recipient) == "deny"
    assert verdict(policy, send_mail, to=["ada@acme.example"]) == "allow"


@pytest.mark.parametrize("recipient", ["EVE@evil.example", "e\u200bve@evil.example", "eve@evil\uff0eexample"])
def test_asking_about_some_calls_of_what_is_allowed_is_not_evaded_either(recipient: str) -> None:
    policy = Permissions(allow=["send_mail"], ask=["send_mail(to=*@evil.example)"], **OPEN)

    assert verdict(policy, send_mail, to=["ada@acme.example", recipient]) == "ask"
    assert verdict(policy, send_mail, to=["ada@acme.example"]) == "allow"


def test_an_argument_left_out_is_taken_at_its_default() -> None:
    cautious = Permissions(allow=["send_mail"], deny=["send_mail(cc=null)"], **OPEN)
    only = Permissions(allow=["send_mail(cc=null)"], **OPEN)

    assert verdict(cautious, send_mail, to=["a"]) == "deny"
    assert verdict(cautious, send_mail, to=["a"], cc="b") == "allow"
    assert verdict(only, send_mail, to=["a"]) == "allow"
    assert verdict(only, send_mail, to=["a"], cc="b") == "deny"


def test_a_denied_place_is_not_evaded_by_leaving_it_out() -> None:
    policy = Permissions(allow=["*"], deny=["label(labels.owner=root)"], **OPEN)

    assert verdict(policy, label, labels={"owner": "ada"}) == "allow"
    assert verdict(policy, label, labels={"owner": "root"}) == "deny"
    assert verdict(policy, label, labels={"Owner": "ROOT"}) == "deny"
    assert verdict(policy, label, labels={"colour": "red"}) == "deny"
    assert verdict(policy, label, labels={}) == "deny"


def test_a_missing_place_matches_nothing_that_permits() -> None:
    policy = Permissions(allow=["label(labels.owner=*)"], ask=["label(labels.colour=*)"], **OPEN)

    assert verdict(policy, label, labels={"owner": "ada"}) == "ask"  # whether it has a colour cannot be ruled out
    assert verdict(policy, label, labels={}) == "deny"


def test_a_rule_for_an_argument_that_a_tool_does_not_take_denies_nothing() -> None:
    policy = Permissions(allow=["*"], deny=["*(to=*evil*)"], **OPEN)

    assert verdict(policy, search_documents, query="a") == "allow"
    assert verdict(policy, pay, euros="1", to="Mr Evil") == "deny"


def test_places_lead_through_lists_and_objects() -> None:
    policy = Permissions(allow=["pay(orders.article=book-*)"], deny=["pay(orders.currency=usd)"], **OPEN)

    def decided(*orders: dict[str, Any]) -> str:
        return policy.decide(pay, check(pay, {"euros": 1, "to": "a", "orders": list(orders)})).verdict

    assert decided({"article": "book-1"}, {"article": "book-2"}) == "allow"
    assert decided({"article": "book-1"}, {"article": "pen"}) == "deny"
    assert decided({"article": "book-1"}, {"article": "book-2", "currency": "USD"}) == "deny"
    assert verdict(policy, pay, euros="1", to="a") == "deny"


def test_numbers_and_booleans_are_matched_as_they_are_written() -> None:
    policy = Permissions(allow=["search_documents(limit=5)"], **OPEN)
    denied = Permissions(allow=["*"], deny=["search_documents(limit=50)"], **OPEN)

    assert verdict(policy, search_documents, query="a", limit=5) == "allow"
    assert verdict(policy, search_documents, query="a", limit=55) == "deny"
    assert verdict(policy, search_documents, query="a", limit=True) == "deny"
    for spelling in (50, 50.0, "50", "5e1", "+50.00", "\uff15\uff10"):
        assert verdict(denied, search_documents, query="a", limit=spelling) == "deny"
    assert verdict(denied, search_documents, query="a", limit=5) == "allow"


def test_names_of_tools_are_matched_exactly_where_that_permits() -> None:
    assert verdict(Permissions(allow=["PAY", "pa"], **OPEN), pay, euros="1", to="a") == "deny"
    assert verdict(Permissions(allow=["*"], deny=["PAY"], **OPEN), pay, euros="1", to="a") == "deny"


def test_globs_take_no_time_that_grows_with_their_stars() -> None:
    policy = Permissions(allow=["*"], deny=[f"search_documents(query={'*a' * 40}b)"], **OPEN)

    assert verdict(policy, search_documents, query="a" * 50_000) == "allow"


# -- rules as texts -------------------------------------------------------------------------------------------------


def test_rules_are_read_with_quotes_spaces_and_several_arguments() -> None:
    rule = read_rule(' send_*( to = *@acme.example , text="a, \\"b\\" (c)" , cc=) ')

    assert rule.tool == "send_*"
    assert rule.arguments == (("to", "*@acme.example"), ("text", 'a, "b" (c)'), ("cc", ""))


@pytest.mark.parametrize(
    "text",
    ["", "a b", "a(", "a()", "a(b)", "a(b=c", "a(b=c,)", "a(=c)", "a(b=c)d", 'a(b="c)', "(b=c)", "a(b=(c))", 7],
)
def test_what_is_no_rule_is_refused(text: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no rule") as refused:
        read_rule(text)

    assert "send_mail(to=" in refused.value.remedy


@pytest.mark.parametrize("options", [{"allow": "pay"}, {"deny": ["pay", " "]}, {"readable": "crm"}, {"ask": [None]}])
def test_a_text_in_place_of_a_list_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="of a policy is"):
        Permissions(**options)


def test_the_version_is_that_of_what_the_policy_says() -> None:
    one = Permissions(allow=["a", "b"], thresholds=[Threshold(tool="a", measure="value", per_call=Decimal("1.0"))])
    same = Permissions(allow=["b", "a"], thresholds=[Threshold(tool="a", measure="value", per_call=Decimal("1.00"))])
    other = Permissions(allow=["a", "b"], thresholds=[Threshold(tool="a", measure="value", per_call=Decimal("1.01"))])

    assert one.version == same.version
    assert len({one.version, other.version, Permissions().version, one.intersect(other).version}) == 4
    assert hash(one.intersect(other))
