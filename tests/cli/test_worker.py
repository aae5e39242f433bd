"""``tercet worker`` and ``tercet ingest --distribute``, as commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_json import assert_documented
from tests.qdrant_server import qdrant_server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def servers(postgres_url: str) -> Iterator[list[str]]:
    """Options that name a memory on servers."""
    with qdrant_server() as (url, _):
        yield ["--database", postgres_url, "--qdrant", url]


def test_a_shared_ingest_reports_as_any_other_and_a_worker_finds_nothing_more_to_do(run, corpus, servers) -> None:
    first = run("ingest", corpus, "--distribute", "--embedder", "none", "--json", *servers)
    worked = run("worker", "--once", "--json", *servers)

    assert first.code == worked.code == 0
    assert_documented("ingest", first.json)
    assert first.json["added"] == ["guide/deploy.md", "guide/faq.txt", "guide/keys.md"]
    assert_documented("worker", worked.json)
    assert worked.json == {"batches": 0, "files": 0, "failed": 0, "embedded": 0, "refused": []}


def test_a_folder_belongs_to_one_process_and_both_commands_say_what_to_do(run, corpus) -> None:
    refused = run("ingest", corpus, "--distribute", "--embedder", "none")
    assert refused.code == 2
    assert "belongs to one process" in refused.err
    assert "--database postgresql://" in refused.err
    assert run("ingest", corpus, "--embedder", "none").code == 0
    refused = run("worker", "--once")
    assert refused.code == 2
    assert "--database postgresql://" in refused.err


def test_a_worker_before_the_first_ingest_says_what_to_run(run, servers) -> None:
    refused = run("worker", "--once", *servers)
    assert refused.code == 2
    assert "tercet ingest" in refused.err


def test_an_archive_is_not_distributed(run, tmp_path, servers) -> None:
    with zipfile.ZipFile(tmp_path / "pages.zip", "w") as archive:
        archive.writestr("a.md", "# A\n")
    refused = run("ingest", tmp_path / "pages.zip", "--distribute", "--embedder", "none", *servers)
    assert refused.code == 2
    assert "Unpack it into a folder" in refused.err


@pytest.mark.skipif(os.name != "posix", reason="needs SIGTERM")
def test_a_worker_ends_on_sigterm_with_its_report(run, corpus, servers) -> None:
    assert run("ingest", corpus, "--embedder", "none", *servers).code == 0
    worker = subprocess.Popen(
        [sys.executable, "-m", "tercet", "worker", *servers],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stderr is not None
        assert worker.stderr.readline() == "Waiting for work; SIGTERM ends it.\n"
        worker.send_signal(signal.SIGTERM)
        printed, complaints = worker.communicate(timeout=60)
    finally:
        worker.kill()
        worker.communicate()
    assert (worker.returncode, complaints) == (0, "")
    assert printed == "0 files in 0 batches, 0 failed; 0 texts embedded\n"
    assert json.loads(run("worker", "--once", "--json", *servers).out)["files"] == 0
