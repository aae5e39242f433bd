"""Pages are read with the files that they include, and taken again when one of those changes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tercet.ingestion import pool as pool_module
from tercet.memory.memory import Memory
from tests.ingestion.conftest import LONG_AGO_NS, Write
from tests.ingestion.publishing.conftest import Find, Run
from tests.ingestion.publishing.sites import DOCUSAURUS, MDBOOK, MKDOCS, SPHINX

CODE = "def f():\n    # one\n    return 1\n    # two\n\n\ndef g():\n    return 2\n"


def text_of(words: Memory, uri: str) -> str:
    [info] = [info for info in words.semantic.documents() if info.uri == uri]
    with words.semantic._database.read() as connection:
        query = "SELECT text FROM versions WHERE document_id = ? AND state = 'live'"
        return str(connection.exec_driver_sql(query, (info.id,)).scalar_one())


def problems(report) -> list[str]:
    return sorted(one.detail for found in report.findings.values() for one in found if one.kind == "not-included")


def later(run: Run, seconds: int = 10, **options):
    """A run some seconds later, when the time stamps of files written before can be trusted."""
    now = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: now() + seconds * 1_000_000_000)
        return run(**options)


def test_mkdocs_snippets(run: Run, write: Write, words: Memory) -> None:
    page = """\
# Page

--8<-- "note.md"

```py
--8<-- "code.py:setup"
--8<-- "code.py:5:6"
```

;--8<-- "note.md"

--8<--
note.md
; other.md
--8<--
"""
    code = "# --8<-- [start:setup]\nx = 1\ny = 2\n# --8<-- [end:setup]\nz = 3\na = 4\n"
    write({**MKDOCS, "docs/guide/keys.md": page, "snippets/code.py": code})
    assert problems(run()) == []
    assert text_of(words, "docs/docs/guide/keys.md") == (
        "# Page\n\nAn included hedgehog.\n\n```py\nx = 1\ny = 2\nz = 3\na = 4\n```\n\n"
        ';--8<-- "note.md"\n\nAn included hedgehog.\n'
    )


def test_mkdocs_braces_and_variants(run: Run, write: Write, words: Memory) -> None:
    page = "# Page\n\n{!snippets/note.md!}\n\n{* src/code.py ln[1:2] hl[1] *}\n"
    write({**MKDOCS, "docs/guide/keys.md": page, "src/code.py": CODE})
    assert problems(run()) == []
    text = text_of(words, "docs/docs/guide/keys.md")
    assert text == "# Page\n\nAn included hedgehog.\n\n```python\ndef f():\n    # one\n```\n"


def test_mkdocs_includes_only_what_its_configuration_enables(run: Run, write: Write, words: Memory) -> None:
    write({**MKDOCS, "mkdocs.yml": "site_name: Shop\n", "docs/guide/keys.md": '# Page\n\n--8<-- "note.md"\n'})
    run()
    assert text_of(words, "docs/docs/guide/keys.md") == '# Page\n\n--8<-- "note.md"\n'


def test_sphinx_directives(run: Run, write: Write, words: Memory, find: Find) -> None:
    page = """\
Keys
====

.. include:: ../parts/part.txt
   :start-after: BEGIN
   :end-before: END

.. literalinclude:: ../parts/code.py
   :language: python
   :lines: 1,3-4
   :caption: The code

.. literalinclude:: /parts/code.py
   :pyobject: g

.. literalinclude:: ../parts/code.py
   :start-after: # one
   :end-before: # two
   :dedent:

Shown as it is::

   .. include:: nothing.txt

Last wallaby.
"""
    part = "before\nBEGIN\n\nA badger.\n\nAbout\n-----\n\nA lynx.\n\nEND\nafter\n"
    write({**SPHINX, "docs/guide/keys.rst": page, "docs/parts/part.txt": part, "docs/parts/code.py": CODE})
    assert problems(run(exclude=["parts/*.rst"])) == []
    text = text_of(words, "docs/docs/guide/keys.rst")
    assert "A badger.\n\n## About\n\nA lynx.\n\nThe code\n\n```python\ndef f():\n    return 1\n    # two\n```" in text
    assert "```python\ndef g():\n    return 2\n```\n\n```python\nreturn 1\n```" in text
    assert "```\n.. include:: nothing.txt\n```" in text
    assert (find("wallaby").citation.line_start, find("wallaby").citation.line_end) == (4, 25)
    assert find("wallaby").citation.anchor == "about"


def test_myst_directives(run: Run, write: Write, words: Memory) -> None:
    page = """\
# Mist

```{include} ../parts/part.txt
:start-after: BEGIN
```

```{literalinclude} ../parts/code.py
:lines: 1-2
```

````md
```{include} shown.txt
```
````
"""
    write(
        {**SPHINX, "docs/guide/myst.md": page, "docs/parts/part.txt": "BEGIN\nA badger.\n", "docs/parts/code.py": CODE}
    )
    assert problems(run()) == []
    text = text_of(words, "docs/docs/guide/myst.md")
    assert text.startswith("# Mist\n\n\nA badger.\n\n```python\ndef f():\n    # one\n```\n")
    assert "```{include} shown.txt" in text


def test_mdbook_includes(run: Run, write: Write, words: Memory) -> None:
    page = (
        "# Keys\n\n{{#include ../code/main.rs:4}} and \\{{#include x}}\n\n  {{#rustdoc_include ../code/main.rs::2}}\n"
    )
    write({**MDBOOK, "text/keys.md": page})
    assert problems(run()) == []
    assert text_of(words, "docs/text/ch01-01.md") == "# Section\n\n```rust\nlet hedgehog = 1;\n```\n"
    assert text_of(words, "docs/text/keys.md") == (
        "# Keys\n\nfn lynx() {} and \\{{#include x}}\n\n  // ANCHOR: setup\n  let hedgehog = 1;\n"
    )


def test_docusaurus_partials(run: Run, write: Write, words: Memory, find: Find) -> None:
    write({**DOCUSAURUS, "docs/more/_part.mdx": "---\ntitle: No\n---\nA partial hedgehog.\n"})
    assert problems(run()) == []
    assert "A partial hedgehog." in text_of(words, "docs/docs/more/uses.mdx")


def test_what_cannot_be_included_is_a_finding_and_no_failure(run: Run, write: Write, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("A secret.", encoding="utf-8")
    page = "\n".join(
        f"{{{{#include {path}}}}}"
        for path in (
            "gone.md",
            "../../secret.md",
            "/../../secret.md",
            "link.md",
            ".env",
            "ch01.md:none",
            "folder",
            "nul.md",
        )
    )
    root = write({**MDBOOK, "text/keys.md": page, "text/.env": "PASSWORD=1", "text/folder/a.txt": "a"})
    (root / "text/link.md").symlink_to(tmp_path / "secret.md")
    (root / "text/nul.md").write_bytes(b"\0\1\2" * 100)
    report = run(exclude=["nul.md"])
    assert report.failed == ()
    assert problems(report) == [
        "../../secret.md lies outside the ingested folder",
        ".env lies outside the ingested folder",
        "/../../secret.md lies outside the ingested folder",
        "ch01.md has no such part",
        "folder is not there or cannot be read",
        "gone.md is not there or cannot be read",
        "link.md lies outside the ingested folder",
        "nul.md is not there or cannot be read",
    ]


def test_cycles_and_avalanches_end(run: Run, write: Write) -> None:
    many = "\n".join(["{{#include b.txt}}"] * 400)
    files = {"text/ch01.md": "{{#include ch01-01.md}}", "text/ch01-01.md": "{{#include ch01.md}}", "text/keys.md": many}
    write({**MDBOOK, **files, "text/b.txt": "\n".join(["{{#include c.txt}}"] * 400), "text/c.txt": "x" * 9000})
    report = run()
    assert report.failed == ()
    assert problems(report) == [
        "b.txt would make the page too long",
        "c.txt would make the page too long",
        "ch01-01.md includes itself",
        "ch01.md includes itself",
    ]


def test_a_changed_included_file_takes_the_pages_again_that_include_it(run: Run, write: Write, find: Find) -> None:
    files = {**MKDOCS, "docs/guide/keys.md": '# Keys\n\n--8<-- "note.md"\n--8<-- "later.md"\n'}
    root = write(files)
    run(exclude=["snippets"])
    assert later(run, exclude=["snippets"]).updated == ()

    write({"snippets/note.md": "An included armadillo.\n"})
    assert later(run, 20, exclude=["snippets"]).updated == ("docs/docs/guide/keys.md",)
    assert find("armadillo").citation.uri == "docs/docs/guide/keys.md"

    write({"snippets/later.md": "A late wombat.\n"})  # was missing when the page was read
    assert later(run, 30, exclude=["snippets"]).updated == ("docs/docs/guide/keys.md",)
    assert find("wombat").citation.uri == "docs/docs/guide/keys.md"

    (root / "snippets/note.md").unlink()
    assert later(run, 40, exclude=["snippets"]).updated == ("docs/docs/guide/keys.md",)


def test_an_unchanged_site_is_seen_as_such_without_parsing(run: Run, write: Write, words, monkeypatch) -> None:
    root = write({**SPHINX, "docs/guide/keys.rst": "Keys\n====\n\n.. include:: ../parts/lost.rst\n"})
    run()
    later(run)
    monkeypatch.setattr(pool_module, "_COMMAND", ("-c", "import sys; sys.exit('a parser process was started')"))
    opened: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest, **more: opened.append(str(path)) or real(path, *rest, **more))
    report = later(run, 20)
    assert (report.unchanged, report.added, report.updated) == (6, (), ())
    assert {Path(path).name for path in opened if path.startswith(str(root))} <= {"conf.py"}

    os.utime(root / "docs/parts/lost.rst", ns=(LONG_AGO_NS + 1, LONG_AGO_NS + 1))  # touched, not changed
    assert later(run, 30).unchanged == 6


def test_a_changed_navigation_takes_only_the_pages_again_whose_place_changed(
    run: Run, write: Write, find: Find
) -> None:
    write(MKDOCS)
    run()
    write({"mkdocs.yml": MKDOCS["mkdocs.yml"].replace("Deeper:", "Depths:")})
    assert later(run).updated == ("docs/docs/guide/keys.md",)
    assert find("giraffe").metadata["section"] == ["Guide", "Depths"]

    write({"mkdocs.yml": MKDOCS["mkdocs.yml"].replace("Deeper:", "Depths:").replace("Getting going", "First")})
    assert later(run, 20).updated == ("docs/docs/guide/start.md",)
    assert find("patience").citation.title == "First"


def test_a_changed_toctree_takes_only_the_pages_again_whose_place_changed(run: Run, write: Write, find: Find) -> None:
    write(SPHINX)
    run()
    later(run)
    write({"docs/guide/start.rst": SPHINX["docs/guide/start.rst"].replace("\n   keys\n", "\n   self\n")})
    assert set(later(run, 20).updated) == {
        "docs/docs/guide/start.rst",
        "docs/docs/guide/keys.rst",
        "docs/docs/guide/myst.md",
    }
    assert "section" not in find("otter").metadata
