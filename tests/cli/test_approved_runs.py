"""A run that waits for a person, a decision on the command line, and what the run does then in a memory opened anew."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tercet import Agent, Answer, Memory, Scope, tool
from tercet.agents.ends import End, Escalated
from tercet.agents.limits import Limits
from tercet.agents.permissions import Permissions
from tercet.agents.thresholds import Threshold
from tercet.errors import StateError
from tercet.testing import ScriptedModel, answer
from tests.agents.scripts import call, finish

WHO = ("--tenant", "acme", "--user", "ada")
SCOPE = Scope(tenant="acme", user="ada")
POLICY = Permissions(
    allow=["pay"],
    writable=["bank"],
    thresholds=[Threshold(tool="pay", measure="value", per_call=Decimal("1000.00"))],
)


class Bank:
    """What was really paid, and agents that pay; one for each time that the memory is opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paid: list[tuple[str, float]] = []

    def agent(self, memory: Memory, *script: Any) -> Agent[None, str]:
        @tool(effect="irreversible", writes=["bank"], amounts=lambda given: {"value": Decimal(str(given["value"]))})
        def pay(to: str, value: float) -> str:
            """Pay somebody.

            Args:
                to: Whom.
                value: How much.
            """
            self.paid.append((to, value))
            return f"paid {value}"

        return Agent(
            "payer",
            model=ScriptedModel(script),
            tools=[pay],
            memory=memory,
            permissions=POLICY,
            limits=Limits(),
            owner="finance",
            on_failure="raise",
            approvals_expire=timedelta(hours=1),
        )

    def ask(self, value: float = 1000.01) -> Escalated:
        with Memory.open(self.folder, embedder="none") as memory:
            paying = self.agent(memory, answer(call("pay", to="ACME", value=value)))
            end = paying.run_sync(f"Pay {value} to ACME", scope=SCOPE)
        assert isinstance(end, Escalated)
        return end

    def go_on(self, run: str, *script: Any, later: timedelta = timedelta()) -> End[str]:
        with Memory.open(self.folder, embedder="none") as memory:
            paying = self.agent(memory, *script)
            clock = memory.clock
            paying.clock = lambda: clock() + later
            return paying.resume_sync(run, scope=SCOPE)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / ".tercet")


def test_what_is_approved_happens_once_whatever_is_tried(run, bank: Bank) -> None:
    """S1.24: a pending approval survives a restart, and is good for one execution."""
    waiting = bank.ask()
    shown = run("approvals", "show", waiting.approval, *WHO).out
    assert '    to: "ACME"\n    value: 1000.01\n' in shown
    assert "1000.01" in shown.split("why a person is asked:")[1]
    assert isinstance(bank.go_on(waiting.run), Escalated)
    assert bank.paid == []

    assert run("approvals", "approve", waiting.approval, *WHO, "--approver", "ann").code == 0
    end = bank.go_on(waiting.run, finish("Paid."))

    assert isinstance(end, Answer)
    assert bank.paid == [("ACME", 1000.01)]
    with pytest.raises(StateError):
        bank.go_on(waiting.run, finish("Paid."))
    assert run("approvals", "approve", waiting.approval, *WHO).code == 2
    (effect,) = run("effects", "list", *WHO, "--json").json["effects"]
    assert (effect["state"], effect["amounts"], effect["arguments"]["to"]) == ("done", {"value": "1000.01"}, "ACME")
    assert run("approvals", "list", *WHO, "--state", "used", "--json").json["approvals"][0]["approver"] == "ann"


def test_what_is_denied_never_happens_and_the_agent_is_told_why(run, bank: Bank) -> None:
    """S1.24: denied, it never runs."""
    waiting = bank.ask()
    run("approvals", "deny", waiting.approval, *WHO, "--approver", "ann", "--answer", "Ask accounting.")

    end = bank.go_on(waiting.run, finish("Not paid."))

    assert isinstance(end, Answer)
    assert bank.paid == []
    told = run("runs", "show", waiting.run, *WHO, "--full").out
    assert "Ask accounting." in told


def test_what_was_edited_is_paid_as_edited_and_checked_again(run, bank: Bank) -> None:
    """S1.24: edited arguments are checked like those of the model."""
    waiting, unfit = bank.ask(), bank.ask(2000.0)
    run("approvals", "approve", waiting.approval, *WHO, "--edit", '{"to": "ACME", "value": 900}')
    run("approvals", "approve", unfit.approval, *WHO, "--edit", '{"to": "ACME", "amount": 900}')

    assert isinstance(bank.go_on(waiting.run, finish("Paid 900.")), Answer)
    assert bank.paid == [("ACME", 900.0)]
    (effect,) = run("effects", "list", *WHO, "--json").json["effects"]
    assert effect["arguments"] == {"to": "ACME", "value": 900}
    assert isinstance(bank.go_on(unfit.run, finish("Not paid.")), Answer)
    assert bank.paid == [("ACME", 900.0)]


def test_what_nobody_decided_in_time_counts_as_denied(run, bank: Bank) -> None:
    """S1.24: expired, it counts as denied."""
    waiting = bank.ask()

    end = bank.go_on(waiting.run, finish("Not paid."), later=timedelta(hours=2))

    assert isinstance(end, Answer)
    assert bank.paid == []


def test_a_doubt_that_was_settled_is_told_to_the_run(run, bank: Bank) -> None:
    """What a person found out by hand is what the tool call came to: it is not done again."""
    waiting = bank.ask()
    run("approvals", "approve", waiting.approval, *WHO)
    with Memory.open(bank.folder, embedder="none") as memory:
        paying = bank.agent(memory)

        def dies(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        bank.paid = type("Dying", (list,), {"append": dies})()
        with pytest.raises(BaseException):  # noqa: B017, PT011 - as a process that is stopped within the tool
            paying.resume_sync(waiting.run, scope=SCOPE)
    bank.paid = []
    (effect,) = run("effects", "list", *WHO, "--in-doubt", "--json").json["effects"]

    reason = ("--reason", "It is on the statement.", "--approver", "ann")
    done = run("effects", "resolve", effect["key"], *WHO, "--done", *reason, "--abandoned")
    assert done.code == 0, done
    end = bank.go_on(waiting.run, finish("Paid."))

    assert isinstance(end, Answer)
    assert bank.paid == []
    assert "says ann: It is on the statement." in run("runs", "show", waiting.run, *WHO, "--full").out
    assert run("runs", "explain", waiting.run, *WHO, "--json").json["end"] == "answer"
