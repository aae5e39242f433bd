from __future__ import annotations

import pytest

from tercet.models.protected_spans import protected_spans
from tercet.retrieval.fidelity import FidelityGate, rewrite

EXTRACT = (
    "Keys do not expire before 2027-03-14; call `rotate()` for getUserName at https://a.example/x [3], 4.5 % of cases."
)


def test_a_shorter_version_that_keeps_all_is_used() -> None:
    shorter = "Not before 2027-03-14; `rotate()` for getUserName, https://a.example/x [3], 4.5 %."
    result = rewrite(EXTRACT, lambda text: shorter)

    assert (result.text, result.rewritten, result.reason) == (shorter, True, "")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("2027-03-14", "2027-03-15", "date '2027-03-14' is missing"),
        ("`rotate()`", "it", "code '`rotate()`' is missing"),
        ("getUserName", "the user name", "identifier 'getUserName' is missing"),
        ("https://a.example/x", "there", "link 'https://a.example/x' is missing"),
        (" [3]", "", "citation '[3]' is missing"),
        ("4.5 %", "some", "number '4.5 %' is missing"),
        ("do not expire", "expire", "1 negations became 0"),
        ("Keys", "7 keys", "number '7' is new"),
        ("Keys", "E4012 keys", "identifier 'E4012' is new"),
    ],
)
def test_what_was_lost_or_invented_sends_the_extract(old: str, new: str, reason: str) -> None:
    result = rewrite(EXTRACT, lambda text: text.replace(old, new))

    assert (result.text, result.rewritten, result.reason) == (EXTRACT, False, reason)


def test_an_empty_or_longer_rewriting_is_refused() -> None:
    assert rewrite("Keys rotate.", lambda text: " ").reason == "the rewriting is empty"
    assert rewrite("Keys rotate.", lambda text: f"{text} Indeed.").reason == "the rewriting is longer"
    assert not rewrite(" ", lambda text: "Something.").rewritten


def test_names_can_be_protected_too() -> None:
    assert FidelityGate(protect=["Priya"]).problem("Priya owns it.", "She owns it.") == "'Priya' is missing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on 3. Oktober 2024", [("3. Oktober 2024", "date")]),
        ("v1.2.3 and 10.0.0.1", [("v1.2.3", "identifier"), ("10.0.0.1", "identifier")]),
        (
            "src/a/b.py --dry-run snake_case",
            [("src/a/b.py", "identifier"), ("--dry-run", "identifier"), ("snake_case", "identifier")],
        ),
        ("kein Zugang ohne $4,200", [("kein", "negation"), ("ohne", "negation"), ("$4,200", "number")]),
        ("they don't", [("don't", "negation")]),
        ("plain words only", []),
    ],
)
def test_protected_spans(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(text[span.start : span.end], span.kind) for span in protected_spans(text)] == expected
