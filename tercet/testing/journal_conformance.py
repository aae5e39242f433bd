"""What every ``Journal`` must do, as tests to inherit. Needs pytest."""
# ruff: noqa: D102 - the name of a test says what it shows

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tercet.errors import ClaimLostError, InputError, StateError
from tercet.memory.journal.records import Journal, NewEvent
from tercet.records import Scope
from tercet.testing.journal_approvals import ApprovalConformance
from tercet.testing.journal_effects import EffectConformance
from tercet.testing.journal_records import ACME, ADA, BOB, NOON, later, new_run, payment, question, said

UNKEEPABLE = ("a\0b", "a\ud800b")
"""NUL, which PostgreSQL cannot keep, and half of a character, which UTF-8 cannot say."""


class JournalConformance(EffectConformance, ApprovalConformance):
    """Inherit it in a class named ``Test…`` and give the fixture ``journal``: an empty one.

    Example::

        class TestMyJournal(JournalConformance):
            @pytest.fixture
            def journal(self, tmp_path):
                return MyJournal(tmp_path)
    """

    @pytest.fixture
    def journal(self) -> Journal:
        """The journal under test, empty."""
        raise NotImplementedError

    # Beginning

    def test_a_run_is_kept_as_it_began(self, journal: Journal) -> None:
        begun = journal.begin(
            new_run("b", task="refund", parent="a", root="r", replays="old"), [said(seconds=0), said(seconds=5)]
        )
        assert (begun.id, begun.scope, begun.agent, begun.task) == ("b", ADA, "helper", "refund")
        assert (begun.parent, begun.root, begun.replays) == ("a", "r", "old")
        assert (begun.status, begun.events, begun.erased_at) == ("running", 2, None)
        assert (begun.began_at, begun.changed_at) == (NOON, later(5))
        assert journal.run("b") == begun
        assert journal.events("b")[-1].hash == begun.hash

    def test_a_run_without_a_root_is_its_own(self, journal: Journal) -> None:
        assert journal.begin(new_run("a")).root == "a"

    def test_a_run_begins_once(self, journal: Journal) -> None:
        begun = journal.begin(new_run(), [said("one")])
        with pytest.raises(InputError, match="already"):
            journal.begin(new_run(agent="other"), [said("two")])
        assert journal.run("run-1") == begun

    def test_one_of_many_that_begin_the_same_run_does(self, journal: Journal) -> None:
        def begin(number: int) -> bool:
            try:
                journal.begin(new_run(agent=f"agent {number}"), [said(str(number))])
            except InputError:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(begin, range(32))) == 1
        assert journal.verify("run-1").intact

    # Adding

    def test_events_come_back_in_order_byte_for_byte(self, journal: Journal) -> None:
        events = [
            said("", "é\r\n\t\u2028 \U0001f600", "plain", body='{"a":"\\u0000"}'),
            said(kind="tool.requested", span="s2", body="", seconds=0.000001),
            said("plain", "new", "", body="not even JSON", seconds=-5),
        ]
        journal.begin(new_run(), events[:1])
        added = journal.append("run-1", events[1:], after=1)
        found = journal.events("run-1")
        assert found[1:] == list(added)
        assert [one.number for one in found] == [1, 2, 3]
        for kept, given in zip(found, events, strict=True):
            assert (kept.run, kept.kind, kept.body, kept.texts) == ("run-1", given.kind, given.body, given.texts)
            assert (kept.span, kept.parent, kept.at) == (given.span, given.parent, given.at)
        assert len({one.hash for one in found}) == 3

    def test_events_behind_a_number_are_read_alone(self, journal: Journal) -> None:
        journal.begin(new_run(), [said("a", "b"), said("b", "c"), said(), said("a", "d", "c")])
        assert journal.events("run-1", after=2) == journal.events("run-1")[2:]
        assert journal.events("run-1", after=3)[0].texts == ("a", "d", "c")
        assert journal.events("run-1", after=4) == journal.events("run-1", after=99) == []

    def test_an_append_changes_status_and_time(self, journal: Journal) -> None:
        journal.begin(new_run())
        journal.append("run-1", [said(seconds=7)], after=0, status="suspended")
        assert (journal.run("run-1").status, journal.run("run-1").changed_at) == ("suspended", later(7))
        assert journal.append("run-1", [], after=1, status="finished") == ()
        assert (journal.run("run-1").status, journal.run("run-1").events) == ("finished", 1)
        assert journal.verify("run-1").intact

    def test_nothing_is_added_behind_another_end(self, journal: Journal) -> None:
        journal.begin(new_run(), [said("one")])
        for after in (0, 2):
            with pytest.raises(ClaimLostError):
                journal.append("run-1", [said("two")], after=after, status="finished")
        assert (journal.run("run-1").events, journal.run("run-1").status) == (1, "running")
        assert journal.verify("run-1").intact

    def test_of_many_writers_of_one_run_one_goes_on(self, journal: Journal) -> None:
        journal.begin(new_run())
        for round_ in range(4):

            def add(number: int, after: int = round_ * 2) -> bool:
                try:
                    journal.append("run-1", [said("shared", f"{after} {number}"), said(f"{number}")], after=after)
                except ClaimLostError:
                    return False
                return True

            with ThreadPoolExecutor(16) as pool:
                assert sum(pool.map(add, range(16))) == 1
        found = journal.events("run-1")
        assert [one.number for one in found] == list(range(1, 9))
        assert found[-2].texts[1] == f"6 {found[-1].texts[0]}"
        assert journal.verify("run-1").intact

    @pytest.mark.parametrize("bad", UNKEEPABLE)
    def test_an_append_with_what_cannot_be_kept_adds_nothing(self, journal: Journal, bad: str) -> None:
        begun = journal.begin(new_run(), [said("one")])
        for event in (
            said("two", bad),
            said(body=bad),
            said(kind=bad),
            said(span=bad),
            NewEvent(kind="said", body="{}", at=datetime(2024, 5, 6)),  # noqa: DTZ001 - it has no zone
        ):
            with pytest.raises(InputError):
                journal.append("run-1", [said("two"), event], after=1)
            with pytest.raises(InputError):
                journal.begin(new_run("run-2"), [event])
        with pytest.raises(InputError):
            journal.begin(new_run(f"run {bad}"))
        with pytest.raises(InputError):
            journal.begin(new_run("run-2", scope=Scope(user=bad)))
        assert journal.run("run-1") == begun
        assert [one.id for one in journal.runs(scope=Scope.any())] == ["run-1"]
        journal.append("run-1", [said("two")], after=1)
        assert journal.verify("run-1").intact

    def test_large_texts_and_bodies_come_back(self, journal: Journal) -> None:
        large, body = "ü" * 1_000_000, "x" * 1_000_000
        journal.begin(new_run(), [said(large, body=body)])
        journal.append("run-1", [said(large, "after", large, body=body)], after=1)
        assert journal.events("run-1")[1].texts == (large, "after", large)
        assert journal.events("run-1")[1].body == body
        assert journal.verify("run-1").intact

    def test_unknown_runs_are_said_to_be(self, journal: Journal) -> None:
        journal.begin(new_run("other"))
        for call in (
            lambda: journal.run("run-1"),
            lambda: journal.events("run-1"),
            lambda: journal.verify("run-1"),
            lambda: journal.append("run-1", [said()], after=0),
            lambda: journal.erase(["other", "run-1"], at=NOON),
        ):
            with pytest.raises(InputError, match="run-1"):
                call()
        assert journal.run("other").erased_at is None

    def test_a_status_that_no_run_has_is_refused(self, journal: Journal) -> None:
        journal.begin(new_run())
        with pytest.raises(InputError):
            journal.append("run-1", [said()], after=0, status="asleep")  # type: ignore[arg-type]  # the test

    # Listing

    def test_runs_are_listed_latest_first_and_by_what_they_are(self, journal: Journal) -> None:
        journal.begin(new_run("a"), [said(seconds=1)])
        journal.begin(new_run("b", root="a", parent="a", agent="other"), [said(seconds=3)])
        journal.begin(new_run("c"), [said(seconds=2)])
        journal.begin(new_run("d"), [said(seconds=2)])
        journal.append("c", [], after=1, status="failed")

        def listed(**wanted: object) -> str:
            return "".join(one.id for one in journal.runs(scope=ADA, **wanted))  # type: ignore[arg-type]  # its own

        assert listed() == "bdca"
        assert listed(limit=2) == "bd"
        assert listed(agent="helper") == "dca"
        assert listed(root="a") == "ba"
        assert listed(status="failed") == "c"
        assert listed(status="running", agent="other", root="b") == ""
        with pytest.raises(InputError):
            journal.runs(scope=ADA, limit=0)

    def test_records_are_seen_by_whose_scope_they_are_in(self, journal: Journal) -> None:
        for number, scope in enumerate([ADA, BOB, ACME, Scope(), Scope(tenant="other", user="ada")]):
            journal.begin(new_run(f"{number}", scope=scope), [said(seconds=number)])
            journal.reserve(payment(f"{number}", scope=scope), ceilings=(), at=later(number))
            journal.ask(question(f"{number}", scope=scope), at=later(number))
        for reader, seen in (
            (ADA, "023"),
            (ACME, "23"),
            (Scope(tenant="acme", user="ada", session="s"), "023"),
            (Scope.any(tenant="acme"), "012"),
            (Scope.any(user="ada"), "04"),
            (Scope.any(), "01234"),
            (Scope(tenant="nobody"), "3"),
        ):
            assert "".join(one.id for one in reversed(journal.runs(scope=reader))) == seen
            assert "".join(one.key for one in journal.effects(scope=reader)) == seen
            assert "".join(one.id for one in journal.approvals(scope=reader, at=NOON)) == seen

    # Erasing

    def test_an_erased_run_says_only_that_it_was_and_verifies(self, journal: Journal) -> None:
        begun = journal.begin(new_run(task="refund"), [said("secret", "more", body='{"who":"ada"}')])
        journal.append("run-1", [said("secret"), said()], after=1, status="finished")
        head = journal.run("run-1").hash
        journal.reserve(payment(), ceilings=(), at=NOON)
        journal.settle("pay-1", state="done", result='{"to":"bob"}', reason="as asked", at=NOON)
        journal.ask(question(), at=NOON)
        counts = {"runs": 1, "run_events": 3, "run_texts": 2, "effects": 1, "approvals": 1}
        assert journal.erase(["run-1"], at=later(9)) == counts
        run = journal.run("run-1")
        assert (run.scope, run.erased_at, run.hash) == (ACME, later(9), head)
        assert (run.agent, run.task, run.events, run.began_at) == ("helper", "refund", 3, begun.began_at)
        assert [(one.body, one.texts) for one in journal.events("run-1")] == [
            (None, (None, None)),
            (None, (None,)),
            (None, ()),
        ]
        checked = journal.verify("run-1")
        assert (checked.intact, checked.erased, checked.events) == (True, 5, 3)
        effect = journal.effect("pay-1")
        assert effect is not None
        assert (effect.result, effect.reason, effect.arguments_hash, effect.scope) == (None, "", "", ACME)
        assert (effect.state, effect.amounts, effect.erased_at) == ("done", payment().amounts, later(9))
        approval = journal.approval("approval-1", at=later(9))
        assert (approval.arguments, approval.evidence, approval.reason, approval.arguments_hash) == (None, None, "", "")
        assert (approval.state, approval.scope, approval.erased_at) == ("expired", ACME, later(9))

    def test_nothing_is_added_to_what_was_erased(self, journal: Journal) -> None:
        journal.begin(new_run(), [said("secret")])
        journal.reserve(payment(), ceilings=(), at=NOON)
        journal.ask(question("allowed"), at=NOON)
        journal.ask(question("asked"), at=NOON)
        journal.decide("allowed", approved=True, approver="eve", edited_arguments='{"to":"ann"}', answer="yes", at=NOON)
        journal.erase(["run-1"], at=later(1))
        with pytest.raises(StateError, match="erased"):
            journal.append("run-1", [said("secret")], after=1)
        journal.settle("pay-1", state="done", result="secret", reason="secret", at=later(2))
        effect = journal.effect("pay-1")
        assert effect is not None
        assert (effect.state, effect.result, effect.reason) == ("done", None, "")
        assert not journal.use("allowed", at=later(2))
        allowed = journal.approval("allowed", at=later(2))
        assert (allowed.edited_arguments, allowed.answer, allowed.approver) == (None, "", "eve")
        with pytest.raises(StateError, match="expired"):
            journal.decide("asked", approved=True, approver="eve", at=later(2))
        assert journal.verify("run-1").intact

    def test_what_is_left_is_seen_by_who_sees_all_of_the_tenant(self, journal: Journal) -> None:
        journal.begin(new_run())
        journal.reserve(payment(), ceilings=(), at=NOON)
        journal.ask(question(), at=NOON)
        journal.erase(["run-1"], at=NOON)
        for reader, count in (
            (Scope.any(), 1),
            (Scope.any(tenant="acme"), 1),
            (Scope.any(tenant="other"), 0),
            (Scope.any(tenant="acme", user="ada"), 0),
            (ADA, 0),
            (BOB, 0),
            (ACME, 0),
        ):
            assert len(journal.runs(scope=reader)) == count
            assert len(journal.effects(scope=reader)) == count
            assert len(journal.approvals(scope=reader, at=NOON)) == count

    def test_erasing_again_erases_nothing(self, journal: Journal) -> None:
        journal.begin(new_run(), [said("secret")])
        journal.begin(new_run("run-2"), [said("secret")])
        journal.erase(["run-1", "run-1"], at=NOON)
        assert not any(journal.erase(["run-1"], at=later(1)).values())
        assert journal.run("run-1").erased_at == NOON
        assert journal.events("run-2")[0].texts == ("secret",)
        assert not any(journal.erase([], at=later(1)).values())
