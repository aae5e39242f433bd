"""Every example of the README and of docs/ runs, and prints what it says it prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.docs.examples import LANGUAGES, PAGES, ROOT, examples, run_console, run_python

README = ROOT / "README.md"
NOT_ASKED_ABOUT = ("requirements.md", "performance.md")
"""Pages of which no example asks anything: a quarter of what several examples would have to embed."""
README_ASKS_ABOUT = ("agents.md", "forgetting.md", "getting-started.md", "ingestion.md", "memories.md", "scoring.md")
EMBEDDED: dict[tuple[str, str], NDArray[np.float32]] = {}
"""By fingerprint of the model and text."""


@pytest.fixture
def session_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with README.md and the pages of docs/ that examples ask about, and none of the user's settings."""
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns(*NOT_ASKED_ABOUT))
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("TERCET_")]:
        monkeypatch.delenv(variable)
    return tmp_path


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if page != README], ids=lambda page: page.name)
def test_examples_of_page_run_from_top_to_bottom(page: Path, session_folder: Path) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    for example in examples(page):
        if example.language == "python":
            run_python(example, page, names)
        elif example.language == "console":
            run_console(example, page)


@pytest.mark.timeout(600)
def test_readme_examples_run_as_plain_scripts_and_its_commands_run_after_them(session_folder: Path) -> None:
    for page in (session_folder / "docs").iterdir():  # embedding all of them takes a minute, and tells nothing more
        if page.name not in README_ASKS_ABOUT:
            page.unlink()
    printed = []
    for example in (one for one in examples(README) if one.language == "python"):
        (session_folder / "example.py").write_text(example.code, encoding="utf-8")
        done = subprocess.run([sys.executable, "example.py"], capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, f"README.md:{example.line}\n{done.stderr}"
        printed.append(done.stdout)

    searched, answered, acted = printed
    assert len(searched.splitlines()) == 3
    assert "docs/ingestion.md" in searched
    assert re.search(r" \[\d+\]$", answered, re.MULTILINE)
    assert "docs/" in answered
    assert "of 2000 tokens by" in answered
    assert acted == "escalated value 1200.00 is above 1000.00 for one call\n"
    for example in examples(README):
        if example.language == "console":
            run_console(example, README, installed=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_its_language(page: Path) -> None:
    assert {example.language for example in examples(page)} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
