"""With --json every command prints one document of the shape that docs/cli.md shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.docs.examples import ROOT, examples

DOCUMENTED = {
    example.label: json.loads(example.code)
    for example in examples(ROOT / "docs" / "cli.md")
    if example.language == "json"
}
FREE_KEY = "…"
ANY_VALUE = "any"


def differences(documented: Any, real: Any, place: str = "$") -> list[str]:
    """Where ``real`` has another shape than the documented example; null and empty lists fit any example."""
    if real is None or documented == ANY_VALUE:
        return []
    if isinstance(documented, dict):
        if not isinstance(real, dict):
            return [f"{place}: {real!r} is no object"]
        if set(documented) == {FREE_KEY}:
            return [line for key in real for line in differences(documented[FREE_KEY], real[key], f"{place}.{key}")]
        if set(documented) != set(real):
            return [f"{place}: keys {sorted(set(documented) ^ set(real))} are on one side only"]
        return [line for key in real for line in differences(documented[key], real[key], f"{place}.{key}")]
    if isinstance(documented, list):
        if not isinstance(real, list):
            return [f"{place}: {real!r} is no list"]
        return [line for item in real for line in differences(documented[0], item, f"{place}[]")]
    return [] if _kind(documented) == _kind(real) else [f"{place}: {real!r} is no {documented!r}"]


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def assert_documented(name: str, real: Any) -> None:
    assert differences(DOCUMENTED[name], real) == []


def test_every_command_has_a_documented_document() -> None:
    commands = {
        "ingest",
        "embed",
        "search",
        "ask",
        "status",
        "doctor",
        "reindex",
        "forget",
        "backup",
        "restore",
        "worker",
    }
    of_eval = {"run", "sweep", "lint", "golden", "compare", "gate-accept", "report", "judge"}
    of_memory = {"list", "show", "timeline", "audit", "export", "import"}
    of_journal = {"runs-list", "runs-show", "runs-verify", "runs-explain", "runs-replay"}
    of_journal |= {"approvals-list", "approvals-show", "effects-list", "effects-resolve"}

    grouped = {f"memory-{name}" for name in of_memory} | {f"eval-{name}" for name in of_eval}

    assert set(DOCUMENTED) == commands | grouped | of_journal | {"error"}


def test_differences_are_noticed() -> None:
    assert differences({"a": [1]}, {"a": ["x"]}) == ["$.a[]: 'x' is no 1"]
    assert differences({"a": 1}, {"a": 1, "b": 2}) == ["$: keys ['b'] are on one side only"]
    assert differences({"a": {"…": 1}}, {"a": {"x": 1.5, "y": None}}) == []


def test_ingest(run, corpus: Path) -> None:
    (corpus / "broken.py").write_bytes(b"def broken(:\n")
    first = run("ingest", corpus, "--embedder", "none", "--json").json
    (corpus / "faq.txt").write_text("Nobody rotates them.\n", encoding="utf-8")
    (corpus / "deploy.md").rename(corpus / "release.md")
    second = run("ingest", corpus, "--json").json

    assert_documented("ingest", first)
    assert_documented("ingest", second)
    assert {"guide/deploy.md", "guide/faq.txt", "guide/keys.md"} <= set(first["added"])
    assert second["updated"] == ["guide/faq.txt"]
    assert second["renamed"] == [["guide/deploy.md", "guide/release.md"]]


def test_ingest_lists_what_failed_with_its_reason_and_exits_1(run, corpus: Path) -> None:
    (corpus / "big.txt").write_text("x" * 5_000, encoding="utf-8")

    outcome = run("ingest", corpus, "--embedder", "none", "--max-file", "0.001", "--json")

    assert outcome.code == 1
    assert_documented("ingest", outcome.json)
    assert [failure["path"] for failure in outcome.json["failed"]] == ["guide/big.txt"]
    assert outcome.json["failed"][0]["reason"]
    assert len(outcome.json["added"]) == 3


def test_search(ingested) -> None:
    outcome = ingested("search", "rotate keys", "--json")

    assert outcome.code == 0
    assert_documented("search", outcome.json)
    assert outcome.json["hits"][0]["citation"]["uri"] in {"guide/keys.md", "guide/faq.txt"}
    assert outcome.json["hits"][0]["explanation"] is None
    assert outcome.json["degraded"] == ["dense"]


def test_search_with_explanation_recombines_to_the_score(ingested) -> None:
    hits = ingested("search", "rotate keys", "--explain", "--json").json["hits"]

    assert_documented("search", {"query": "", "hits": hits, "degraded": []})
    for hit in hits:
        legs = [leg for leg in hit["explanation"]["legs"] if leg["available"]]
        recombined = sum(leg["weight"] * leg["normalized"] for leg in legs) / sum(leg["weight"] for leg in legs)
        assert hit["score"] == pytest.approx(recombined)
        assert hit["score"] == pytest.approx(hit["explanation"]["fused"])


def test_ask(ingested) -> None:
    outcome = ingested("ask", "When are keys rotated?", "--budget", "300", "--json")

    assert outcome.code == 0
    assert_documented("ask", outcome.json)
    assert (outcome.json["end"], outcome.json["model"]) == ("answer", "extractive")
    first = outcome.json["citations"][0]
    assert outcome.json["text"].startswith(f"{first['text']} [{first['id']}]")
    assert 0 < outcome.json["confidence"] <= 1
    context = outcome.json["context"]
    assert sum(one["tokens"] for one in context["candidates"]) == context["tokens"] <= context["budget"] == 300


def test_the_run_of_ask_is_in_the_journal(ingested) -> None:
    asked = ingested("ask", "When are keys rotated?", "--json").json

    shown = ingested("runs", "show", asked["run"], "--json").json
    assert (shown["run"]["id"], shown["run"]["agent"], shown["run"]["status"]) == (asked["run"], "ask", "finished")


def test_ask_says_when_nothing_fits(ingested) -> None:
    outcome = ingested("ask", "zebra xylophone volcano", "--json")

    assert outcome.code == 0
    assert_documented("ask", outcome.json)
    assert (outcome.json["end"], outcome.json["confidence"], outcome.json["citations"]) == ("impossible", None, [])
    assert outcome.json["text"] == "Nothing relevant was found."
    assert set(outcome.json["usage"].values()) == {0}


def test_status(ingested) -> None:
    document = ingested("status", "--json").json

    assert_documented("status", document)
    assert [(corpus["name"], corpus["documents"]) for corpus in document["corpora"]] == [("docs", 3)]


def test_doctor(ingested) -> None:
    outcome = ingested("doctor", "--json")

    assert_documented("doctor", outcome.json)
    assert (outcome.code == 0) == outcome.json["ok"]
    assert {"tercet", "packages", "vector engine", "embedder", "memory"} <= {
        check["name"] for check in outcome.json["checks"]
    }


def test_reindex_and_embed(ingested) -> None:
    chunks = ingested("status", "--json").json["corpora"][0]["chunks"]
    points = ingested("reindex", "--json").json
    embedded = ingested("embed", "--json").json

    assert_documented("reindex", points)
    assert points == {"points": chunks}
    assert_documented("embed", embedded)
    assert embedded == {"embedder": "none", "embedded": 0, "vectors_missing": chunks}


def test_forget_lists_in_a_dry_run_what_it_then_removes(ingested) -> None:
    planned = ingested("forget", "--path", "guide/*.md", "--dry-run", "--json").json
    done = ingested("forget", "--path", "guide/*.md", "--yes", "--json").json

    assert_documented("forget", planned)
    assert_documented("forget", done)
    assert [document["uri"] for document in done["forgotten"]] == ["guide/deploy.md", "guide/keys.md"]
    assert planned["forgotten"] == done["forgotten"]
    assert (planned["dry_run"], done["dry_run"]) == (True, False)
    assert (planned["receipt"]["status"], done["receipt"]["status"]) == ("planned", "erased")
    assert planned["receipt"]["removed"].items() <= done["receipt"]["removed"].items()
    assert ingested("status", "--json").json["corpora"][0]["documents"] == 1


def test_backup_and_restore(ingested, tmp_path: Path) -> None:
    saved = ingested("backup", tmp_path / "memory.backup", "--json").json
    restored = ingested("restore", tmp_path / "memory.backup", "--memory", tmp_path / "copy", "--json").json
    before = ingested("search", "rotate keys", "--json").json
    after = ingested("search", "rotate keys", "--memory", tmp_path / "copy", "--json").json

    assert_documented("backup", saved)
    assert_documented("restore", restored)
    assert after == before


def test_error(run) -> None:
    outcome = run("status", "--memory", "nowhere", "--json")

    assert outcome.code == 2
    assert_documented("error", outcome.json)
    assert outcome.json["error"]["type"] == "MemoryNotFoundError"
    assert outcome.json["error"]["remedy"]
    assert outcome.err == ""


def test_search_cites_the_address_of_the_published_page(run, corpus: Path) -> None:
    run("ingest", corpus, "--embedder", "none", "--base-url", "https://docs.example.com/")

    [hit] = run("search", "rotate keys", "--limit", "1", "--json").json["hits"]
    shown = run("search", "rotate keys", "--limit", "1").out

    assert hit["citation"]["url"].startswith("https://docs.example.com/")
    assert hit["citation"]["url"] in shown
