"""What is found to be wrong with tools and policies before anything runs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tercet import Agent, Limits
from tercet.agents.permissions import Permissions
from tercet.agents.thresholds import Threshold
from tercet.agents.tool_checks import check_tools
from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import Tool
from tercet.errors import ConfigurationError
from tercet.memory.journal.in_memory import InMemoryJournal


def look(text: str, limit: int = 5) -> str:
    """Look."""
    return text


def change(text: str, to: str = "x") -> str:
    """Change."""
    return text


def made(name: str, effect: Any = "read", function: Any = None, **options: Any) -> Tool[Any]:
    place: dict[str, Any] = {
        "pure": {},
        "read": {"reads": ["crm"]},
        "write": {"writes": ["crm"]},
        "irreversible": {"writes": ["crm"]},
    }[effect]
    base = function or (look if effect in ("pure", "read") else change)
    return tool(effect=effect, name=name, **{**place, **options})(base)


ALL: dict[str, Any] = {"readable": ["*"], "writable": ["*"]}
ASKING = Permissions(ask=["*"], **ALL)
COUNTED = {"amounts": lambda given: {"rows": 1}}


def found(tools: list[Tool[Any]], policy: Permissions = ASKING) -> list[str]:
    return [str(problem) for problem in check_tools(tools, policy)]


def test_a_sound_set_of_tools_has_no_problems() -> None:
    """Part of S1.21, part of S1.56."""
    tools = [
        made("search"),
        made("find", fallback="search"),
        made("rename", "write", compensation="rename_back"),
        made("rename_back", "write"),
        made("pay", "irreversible", **COUNTED),
        made("post", "irreversible", compensation="rename"),
    ]
    policy = Permissions(
        allow=["search", "find(limit=5)", "re*", "p*"],
        deny=["*(to=*evil*)"],
        thresholds=[
            Threshold(tool="pay", measure="rows", per_call=Decimal(1), total=Decimal(9), window=timedelta(days=1))
        ],
        **ALL,
    )

    assert found(tools, policy) == []
    assert found(tools, policy.intersect(ASKING)) == []


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ([made("a"), made("a")], "a: 2 tools have this name."),
        ([made("finish")], "finish: The loop has a tool of this name."),
        ([made("a", fallback="b")], "a: Its fallback 'b' is no tool of this agent."),
        ([made("a", "write", compensation="b")], "a: Its compensation 'b' is no tool of this agent."),
        ([made("a", fallback="b"), made("b", "write")], "a: Its fallback 'b' has the effect 'write'"),
        (
            [made("a", "write", compensation="b"), made("b", "irreversible")],
            "a: Its compensation 'b' has the effect 'irreversible'",
        ),
        ([made("a", "write", compensation="b"), made("b")], "a: Its compensation 'b' changes nothing"),
        (
            [made("a", "write", fallback="b"), made("b")],
            "a: Its fallback 'b' cannot be called with the same arguments.",
        ),
        ([made("a", fallback="b"), made("b", fallback="a")], "a: Its fallbacks lead back to it."),
    ],
)
def test_tools_that_contradict_one_another_are_found(tools: list[Tool[Any]], problem: str) -> None:
    """Part of S1.21, part of S1.56."""
    assert any(one.startswith(problem) for one in found(tools))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"allow": ["serach"]}, "allow: serach: It names no tool."),
        ({"deny": ["SEARCH"]}, "deny: SEARCH: It names no tool."),
        ({"ask": ["search(txt=a)"]}, "ask: search(txt=a): No tool that it names takes 'txt'. They take: limit, text."),
        ({"deny": ["*(mail.to=a)"]}, "deny: *(mail.to=a): No tool that it names takes 'mail'."),
        (
            {"thresholds": [Threshold(tool="buy", measure="rows", per_call=Decimal(1))]},
            "threshold: buy: rows: It names no tool.",
        ),
        (
            {"thresholds": [Threshold(tool="search", measure="rows", per_call=Decimal(1))]},
            "threshold: search: rows: 'search' does not say what its calls are about.",
        ),
        (
            {"thresholds": [Threshold(tool="count", measure="rows", total=Decimal(1), window=timedelta(1))]},
            "threshold: count: rows: 'count' changes nothing, and only effects are added up.",
        ),
    ],
)
def test_lines_of_a_policy_that_mean_nothing_are_found(options: dict[str, Any], problem: str) -> None:
    """Part of S1.56."""
    tools = [made("search"), made("count", **COUNTED)]

    policy = Permissions(**ALL, **options)
    assert any(one.startswith(problem) for one in found(tools, policy))
    assert found(tools, ASKING.intersect(policy)) == []  # which may be that of a whole company


def test_what_cannot_be_undone_needs_somebody_to_ask_or_something_that_undoes_it() -> None:
    """Part of S1.21."""
    alone, undone = made("pay", "irreversible", **COUNTED), made("pay", "irreversible", compensation="refund")
    refund = made("refund", "write")
    allowed = Permissions(allow=["*"], **ALL)
    problem = "pay: It cannot be undone, and no one is asked."

    assert [one[: len(problem)] for one in found([alone], allowed)] == [problem]
    assert found([undone, refund], allowed) == []
    assert found([alone], allowed.intersect(Permissions(ask=["p*"], **ALL))) == []
    limited = Permissions(allow=["*"], thresholds=[Threshold(tool="pay", measure="rows", per_call=Decimal(9))], **ALL)
    assert found([alone], limited) == []
    assert found([alone], Permissions(allow=["pay(to=ada)", "pay(to=bob)"], **ALL)) == []
    for careless in (["pay"], ["pay(to=ada)", "p*"], ["p*(to=ada)"]):
        assert [one[: len(problem)] for one in found([alone], Permissions(allow=careless, **ALL))] == [problem]


def test_an_agent_of_tools_and_permissions_that_cannot_be_meant_is_not_built() -> None:
    """S1.21, S1.56."""
    stated: dict[str, Any] = {"limits": Limits(), "owner": "ops", "on_failure": "raise", "journal": InMemoryJournal()}
    pay = made("pay", "irreversible", **COUNTED)

    with pytest.raises(ConfigurationError, match=r"Agent 'clerk' .* pay: It cannot be undone, and no one is asked"):
        Agent("clerk", tools=[pay], permissions=Permissions(allow=["pay"], **ALL), **stated)
    with pytest.raises(ConfigurationError, match="deny: pya: It names no tool"):
        Agent("clerk", tools=[pay], permissions=Permissions(ask=["pay"], deny=["pya"], **ALL), **stated)
    assert Agent("clerk", tools=[pay], permissions=Permissions(ask=["pay"], **ALL), **stated).tools == {"pay": pay}


@pytest.mark.parametrize(
    "policy",
    [
        Permissions(**ALL),
        Permissions(allow=["*"], readable=["*"]),
        Permissions(allow=["*"], deny=["mail"], **ALL),
        ASKING.intersect(Permissions(allow=["*"], writable=["bank"])),
    ],
)
def test_a_tool_that_changes_something_and_that_nobody_may_call_fails_the_build(policy: Permissions) -> None:
    """S1.22."""
    mail = made("mail", "write")

    assert any(
        one.startswith("mail: It changes something, and the policy permits no call") for one in found([mail], policy)
    )
    assert policy.decide(mail, {"text": "a"}).verdict == "deny"
