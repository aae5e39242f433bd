"""The script that writes docs/requirements.md out of the docstrings of tests."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "requirements.py"
pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="scripts are not part of the wheel's tests")

SENTENCES = """
[S1.01]
title = "First"
requirement = "It is | done."
test = "One sees it."
[S1.02]
title = "Second"
requirement = "It lasts."
test = "One sees it again."
[S1.03]
title = "Third"
requirement = "It ends."
test = "One sees it no more."
[S2.10]
title = "Tenth"
requirement = "It waits."
test = "Nobody sees it."
"""


@pytest.fixture
def main():
    spec = importlib.util.spec_from_file_location("requirements_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests" / "requirements.toml").write_text(SENTENCES, "utf-8")
    return tmp_path


def write_test(root: Path, text: str, name: str = "test_it.py") -> None:
    (root / "tests" / "unit" / name).write_text(text, "utf-8")


def row(root: Path, id_: str) -> str:
    page = (root / "docs" / "requirements.md").read_text("utf-8")
    return next(line for line in page.splitlines() if line.startswith(f"| {id_} "))


def test_a_test_a_class_and_a_module_show_what_their_docstrings_name(main, root: Path) -> None:
    write_test(root, '"""All: S1.01."""\ndef test_a():\n    """S1.02."""\nasync def test_b():\n    "S1.02 too."\n')
    write_test(root, 'class TestC:\n    "S2.10"\n    def test_d(self):\n        """Part of S1.03."""\n', "test_c.py")

    assert main(["--root", str(root)]) == 0

    start = "| S1.01 | **First.** It is \\| done. | One sees it. |"
    assert row(root, "S1.01") == f"{start} [unit/test_it.py](../tests/unit/test_it.py) |"
    links = "[test_a](../tests/unit/test_it.py)<br>[test_b](../tests/unit/test_it.py)"
    assert row(root, "S1.02").endswith(f"| {links} |")
    assert row(root, "S1.03").endswith("| [TestC.test_d](../tests/unit/test_c.py) *in part* |")
    assert row(root, "S2.10").endswith("| [TestC](../tests/unit/test_c.py) |")
    assert "Of 4 requirements 3 are shown, 1 in part, 0 are open." in (root / "docs" / "requirements.md").read_text()


@pytest.mark.parametrize("words", ["S1.01-03", "S1.01–S1.03", "S1.01, S1.02 and S1.03", "(S1.01; S1.02-03)."])  # noqa: RUF001
def test_ranges_are_each_of_their_ids_and_the_rest_is_open(main, root: Path, words: str) -> None:
    write_test(root, f'def test_a():\n    """{words}"""\n')

    assert main(["--root", str(root)]) == 0

    assert all("test_a" in row(root, f"S1.0{number}") for number in (1, 2, 3))
    assert row(root, "S2.10").endswith("| open |")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("S1.04", "there is no requirement S1.04"),
        ("S3.01", "there is no requirement S3.01"),
        ("S1.1", "there is no requirement S1.1"),
        ("S1.02-04", "there is no requirement S1.04"),
        ("S1.01/02", "neither an id nor a range"),
        ("S1.03-01", "neither an id nor a range"),
        ("S1.01-S2.10", "neither an id nor a range"),
        ("S1.01-", None),
    ],
)
def test_what_is_no_id_is_refused_with_its_line(main, root: Path, capsys, words: str, message: str | None) -> None:
    write_test(root, f'def test_a():\n    """It is so.\n\n    Shows {words}\n    """\n')

    code = main(["--root", str(root)])

    if message is None:
        assert code == 0
    else:
        assert code == 2
        said = capsys.readouterr().err
        assert said.startswith("tests/unit/test_it.py:4: ")
        assert message in said
        assert not (root / "docs" / "requirements.md").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('def helper():\n    """S1.01."""\n', "test_it.py"),
        ('def test_a():\n    """S1.01."""\n', "helpers.py"),
        ('"""S1.01."""\n', "helpers.py"),
    ],
)
def test_what_is_no_test_shows_nothing_and_is_refused(main, root: Path, capsys, text: str, name: str) -> None:
    write_test(root, text, name)

    assert main(["--root", str(root)]) == 2

    assert "is no test, so it cannot show S1.01" in capsys.readouterr().err


@pytest.mark.parametrize("entry", ['[S1.04]\ntitle = "a"\nrequirement = "b"\n', '[S1.01]\ntitle = "again"\n', "[S1"])
def test_sentences_that_are_not_whole_are_refused(main, root: Path, capsys, entry: str) -> None:
    (root / "tests" / "requirements.toml").write_text(SENTENCES + entry, "utf-8")

    assert main(["--root", str(root)]) == 2

    assert "requirements.toml: " in capsys.readouterr().err


def test_check_compares_and_writes_nothing(main, root: Path, capsys) -> None:
    write_test(root, 'def test_a():\n    """S1.01."""\n')
    assert main(["--root", str(root), "--check"]) == 1
    assert not (root / "docs" / "requirements.md").exists()
    assert main(["--root", str(root)]) == 0
    assert main(["--root", str(root), "--check"]) == 0

    write_test(root, 'def test_a():\n    """S1.02."""\n')

    assert main(["--root", str(root), "--check"]) == 1
    assert "run `python scripts/requirements.py`" in capsys.readouterr().err
    assert "test_a" in row(root, "S1.01")


def test_no_test_is_imported(main, root: Path) -> None:
    write_test(root, '"""S1.01"""\nraise SystemExit("imported")\n')
    assert main(["--root", str(root)]) == 0


def test_ids_in_the_tests_of_this_repository_exist() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
