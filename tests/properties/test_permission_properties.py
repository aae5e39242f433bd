"""Properties of policies, whatever the rules and calls are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tercet.agents.permissions import Permissions
from tercet.agents.rules import read_rule
from tercet.agents.thresholds import Threshold
from tercet.agents.tools.schema import check
from tests.agents.example_tools import label, pay, search_documents, send_mail

RULES = st.sampled_from(
    [
        "*",
        "pay",
        "send_mail",
        "send_*",
        "*(to=*acme*)",
        "send_mail(to=*@evil.example)",
        "pay(to=a*, euros=1*)",
        "label(labels.owner=*)",
        "search_documents(limit=5)",
        "send_mail(cc=null)",
    ]
)
THRESHOLDS = st.builds(
    lambda name, measure, limit: Threshold(tool=name, measure=measure, per_call=Decimal(limit)),
    st.sampled_from(["*", "pay", "send_*"]),
    st.sampled_from(["value", "targets"]),
    st.integers(0, 3),
)
NAMES = st.lists(st.sampled_from(["*", "mail", "bank", "semantic:*"]), max_size=2)
POLICIES = st.builds(
    Permissions,
    allow=st.lists(RULES, max_size=3),
    ask=st.lists(RULES, max_size=2),
    deny=st.lists(RULES, max_size=2),
    readable=NAMES,
    writable=NAMES,
    thresholds=st.lists(THRESHOLDS, max_size=2),
)
TEXTS = st.sampled_from(["ada@acme.example", "eve@EVIL.example", "acme", "a", "", "e\u200bve@evil.example"]) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CALLS = st.one_of(
    st.tuples(st.just(send_mail), st.fixed_dictionaries({"to": st.lists(TEXTS, max_size=3)}, optional={"cc": TEXTS})),
    st.tuples(st.just(pay), st.fixed_dictionaries({"euros": st.sampled_from(["0", "1", "1.01", "3"]), "to": TEXTS})),
    st.tuples(st.just(label), st.fixed_dictionaries({"labels": st.dictionaries(TEXTS, TEXTS, max_size=2)})),
    st.tuples(
        st.just(search_documents), st.fixed_dictionaries({"query": TEXTS}, optional={"limit": st.integers(0, 9)})
    ),
)
ORDER = ("deny", "ask", "allow")


@given(
    st.sampled_from([send_mail, pay, label, search_documents]),
    st.dictionaries(st.sampled_from(["to", "cc", "labels", "euros", "limit"]) | st.text(), JSON, max_size=4),
    POLICIES,
)
def test_a_decision_is_made_about_any_arguments_whatsoever(one: Any, arguments: dict[str, Any], policy: Any) -> None:
    assert policy.decide(one, arguments).verdict in ORDER


@given(POLICIES, CALLS, RULES)
def test_another_rule_that_denies_never_permits_more(policy: Any, call: Any, rule: str) -> None:
    one, arguments = call
    stricter = Permissions(
        allow=policy.allow,
        ask=policy.ask,
        deny=(*policy.deny, rule),
        readable=policy.readable,
        writable=policy.writable,
        thresholds=policy.thresholds,
    )

    assert ORDER.index(stricter.decide(one, arguments).verdict) <= ORDER.index(policy.decide(one, arguments).verdict)


@given(POLICIES, CALLS)
def test_a_call_that_a_deny_rule_speaks_of_is_denied_whatever_else_is_said(policy: Any, call: Any) -> None:
    one, arguments = call
    spoken_of = any(read_rule(rule).permits(one.name, check(one, arguments)) for rule in policy.deny)

    assert not spoken_of or policy.decide(one, arguments).verdict == "deny"


@given(POLICIES, POLICIES, CALLS)
def test_an_intersection_permits_what_both_permit_and_asks_where_either_asks(one: Any, two: Any, call: Any) -> None:
    """Part of S2.51."""
    called, arguments = call
    both = one.intersect(two)

    verdicts = [policy.decide(called, arguments).verdict for policy in (one, two)]
    assert both.decide(called, arguments).verdict == min(verdicts, key=ORDER.index)
    assert set(both.visible([called])) <= set(one.visible([called])) & set(two.visible([called]))


@given(POLICIES, CALLS)
def test_what_may_be_called_is_visible(policy: Any, call: Any) -> None:
    one, arguments = call

    assert policy.decide(one, arguments).verdict == "deny" or policy.visible([one]) == (one,)
