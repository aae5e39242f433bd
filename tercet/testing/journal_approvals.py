"""What every ``Journal`` must do with approvals. Part of ``JournalConformance``. Needs pytest."""
# ruff: noqa: D102 - the name of a test says what it shows

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tercet.errors import InputError, StateError
from tercet.records import Scope
from tercet.testing.journal_records import ADA, NOON, later, question

if TYPE_CHECKING:
    from tercet.memory.journal.records import Journal

THREADS = 64


class ApprovalConformance:
    """The part about approvals."""

    def test_a_question_is_kept_as_it_was_asked(self, journal: Journal) -> None:
        asked = journal.ask(question(), at=NOON)
        assert (asked.id, asked.run, asked.call, asked.agent) == ("approval-1", "run-1", "call-1", "helper")
        assert (asked.tool, asked.scope, asked.arguments) == ("pay", ADA, '{"to":"bob"}')
        assert (asked.arguments_hash, asked.policy_version, asked.reason) == ("ab", "3", "above 1,000.00")
        assert (asked.evidence, asked.state, asked.asked_at) == ('["tried twice"]', "pending", NOON)
        assert (asked.expires_at, asked.decided_at, asked.edited_arguments) == (later(3600), None, None)
        assert journal.approval("approval-1", at=NOON) == asked

    def test_asking_again_gives_what_is_there(self, journal: Journal) -> None:
        journal.ask(question(), at=NOON)
        decided = journal.decide("approval-1", approved=True, approver="eve", at=later(1))
        assert journal.ask(question(arguments="{}", expires_at=later(9999)), at=later(2)) == decided

    def test_a_decision_is_kept(self, journal: Journal) -> None:
        journal.ask(question("a"), at=NOON)
        journal.ask(question("b"), at=NOON)
        allowed = journal.decide(
            "a", approved=True, approver="eve", edited_arguments='{"to":"ann"}', answer="less", at=later(1)
        )
        assert (allowed.state, allowed.approver, allowed.decided_at) == ("approved", "eve", later(1))
        assert (allowed.arguments, allowed.edited_arguments) == ('{"to":"bob"}', '{"to":"ann"}')
        assert allowed.answer == "less"
        denied = journal.decide("b", approved=False, approver="eve", answer="no", at=later(2))
        assert (denied.state, denied.answer) == ("denied", "no")
        assert journal.approval("a", at=later(3)) == allowed
        assert journal.approval("b", at=later(3)) == denied

    def test_a_decision_is_made_once(self, journal: Journal) -> None:
        for approval, approved in (("a", True), ("b", False)):
            journal.ask(question(approval), at=NOON)
            decided = journal.decide(approval, approved=approved, approver="eve", at=NOON)
            for other in (True, False):
                with pytest.raises(StateError, match=decided.state):
                    journal.decide(approval, approved=other, approver="mallory", at=NOON)
            assert journal.approval(approval, at=NOON) == decided

    def test_of_many_deciders_one_decides(self, journal: Journal) -> None:
        journal.ask(question(), at=NOON)

        def decide(number: int) -> str:
            try:
                record = journal.decide("approval-1", approved=bool(number % 2), approver=f"p{number}", at=NOON)
            except StateError:
                return ""
            return record.approver

        with ThreadPoolExecutor(THREADS) as pool:
            [winner] = [name for name in pool.map(decide, range(THREADS)) if name]
        assert journal.approval("approval-1", at=NOON).approver == winner

    def test_what_was_not_decided_in_time_has_expired(self, journal: Journal) -> None:
        journal.ask(question(), at=NOON)
        assert journal.approval("approval-1", at=later(3599.999999)).state == "pending"
        assert journal.approval("approval-1", at=later(3600)).state == "expired"
        for approved in (True, False):
            with pytest.raises(StateError, match="expired"):
                journal.decide("approval-1", approved=approved, approver="eve", at=later(3600))
        assert not journal.use("approval-1", at=later(3600))
        assert journal.approval("approval-1").state == "expired"  # as of now

    def test_an_approval_is_used_once(self, journal: Journal) -> None:
        journal.ask(question(), at=NOON)
        assert not journal.use("approval-1", at=NOON)
        journal.decide("approval-1", approved=True, approver="eve", at=NOON)
        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(lambda _: journal.use("approval-1", at=NOON), range(THREADS))) == 1
        assert journal.approval("approval-1", at=later(9999)).state == "used"

    def test_what_was_denied_or_not_used_in_time_is_not_used(self, journal: Journal) -> None:
        journal.ask(question("denied"), at=NOON)
        journal.decide("denied", approved=False, approver="eve", at=NOON)
        assert not journal.use("denied", at=NOON)
        journal.ask(question("late"), at=NOON)
        journal.decide("late", approved=True, approver="eve", at=NOON)
        assert not journal.use("late", at=later(3600))
        assert journal.approval("late", at=later(3600)).state == "expired"
        assert journal.use("late", at=later(3599))

    def test_unknown_approvals_are_said_to_be(self, journal: Journal) -> None:
        for call in (
            lambda: journal.approval("approval-1", at=NOON),
            lambda: journal.use("approval-1", at=NOON),
            lambda: journal.decide("approval-1", approved=True, approver="eve", at=NOON),
        ):
            with pytest.raises(InputError, match="approval-1"):
                call()

    def test_approvals_are_listed_oldest_first_and_by_state(self, journal: Journal) -> None:
        for approval, seconds in (("b", 1), ("a", 0), ("d", 2), ("c", 2), ("e", 3)):
            journal.ask(question(approval, expires_at=later(10 if approval == "e" else 3600)), at=later(seconds))
        journal.decide("b", approved=True, approver="eve", at=later(4))
        journal.decide("c", approved=True, approver="eve", at=later(4))
        journal.decide("d", approved=False, approver="eve", at=later(4))
        journal.use("c", at=later(5))

        def listed(state: str | None, seconds: float) -> str:
            found = journal.approvals(scope=ADA, state=state, at=later(seconds))  # type: ignore[arg-type]  # one of them
            assert all(state in (None, one.state) for one in found)
            return "".join(one.id for one in found)

        assert listed(None, 5) == "abdce"
        assert [listed(state, 5) for state in ("pending", "approved", "denied", "used", "expired")] == [
            *("ae", "b", "d", "c", "")
        ]
        assert [listed(state, 3600) for state in ("pending", "approved", "denied", "used", "expired")] == [
            *("", "", "d", "c", "abe")
        ]

    def test_questions_and_decisions_that_cannot_be_kept_are_refused(self, journal: Journal) -> None:
        for bad in ("a\0b", "a\ud800b"):
            for asked in (
                question(bad),
                question(arguments=bad),
                question(evidence=bad),
                question(scope=Scope(user=bad)),
            ):
                with pytest.raises(InputError):
                    journal.ask(asked, at=NOON)
        journal.ask(question(), at=NOON)
        with pytest.raises(InputError):
            journal.decide("approval-1", approved=True, approver="", at=NOON)
        with pytest.raises(InputError):
            journal.decide("approval-1", approved=True, approver="eve", answer="a\0b", at=NOON)
        with pytest.raises(InputError, match="denied"):
            journal.decide("approval-1", approved=False, approver="eve", edited_arguments="{}", at=NOON)
        assert [one.state for one in journal.approvals(scope=Scope.any(), at=NOON)] == ["pending"]
