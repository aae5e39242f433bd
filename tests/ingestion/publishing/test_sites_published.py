"""Chunks are cited as the published site shows them: address, anchor, title and place in the navigation."""

from __future__ import annotations

import pytest

from tercet.errors import ConfigurationError
from tests.ingestion.conftest import Write
from tests.ingestion.publishing.conftest import BASE, Find, Run
from tests.ingestion.publishing.sites import DOCUSAURUS, MDBOOK, MKDOCS, SPHINX


def cited(find: Find, word: str) -> tuple[str, str, object, object]:
    hit = find(word)
    url = hit.citation.url.removeprefix(BASE)
    return url, hit.citation.title, hit.metadata.get("section"), hit.metadata.get("position")


def test_mkdocs(run: Run, write: Write, find: Find) -> None:
    write(MKDOCS)
    assert run().failed == ()
    assert cited(find, "welcome") == ("#welcome", "Welcome", None, 0)
    assert cited(find, "patience") == ("guide/start/#start-here", "Getting going", ["Guide"], 1)
    assert cited(find, "guide") == ("guide/#the-guide", "The guide", ["Guide"], 2)
    assert cited(find, "zebra") == ("guide/keys/#set-up", "Keys", ["Guide", "Deeper"], 3)
    assert cited(find, "giraffe")[0] == "guide/keys/#set-up_1"
    assert cited(find, "walrus") == ("unlisted/#unlisted", "Unlisted", None, None)
    assert cited(find, "pelican")[0] == "price.txt"
    assert find("otter").citation.url == find("hedgehog").citation.url == ""  # not part of the site
    assert find("zebra").citation.heading_path == ("Set up!",)


def test_mkdocs_without_directories_and_an_inherited_configuration(run: Run, write: Write, find: Find) -> None:
    own = "INHERIT: base/shared.yml\nnav:\n  - Only: unlisted.md\n"
    write({**MKDOCS, "mkdocs.yml": own, "base/shared.yml": "use_directory_urls: false\nsite_name: Shop\n"})
    run()
    assert cited(find, "walrus") == ("unlisted.html#unlisted", "Only", None, 0)
    assert cited(find, "patience")[0] == "guide/start.html#start-here"
    assert cited(find, "guide")[0] == "guide/index.html#the-guide"


def test_mkdocs_without_a_navigation_has_the_sections_of_its_folders(run: Run, write: Write, find: Find) -> None:
    write({"mkdocs.yml": "site_name: Shop\n", "docs/how-to/keys.md": "# Keys\n\nThe walrus.\n"})
    run()
    assert cited(find, "walrus") == ("how-to/keys/#keys", "Keys", ["How to"], None)


def test_sphinx(run: Run, write: Write, find: Find) -> None:
    write(SPHINX)
    assert run().failed == ()
    assert cited(find, "patience")[1:] == ("Start", ["First steps"], 1)
    assert cited(find, "otter")[1:] == ("Keys", ["First steps", "Start"], 2)
    assert cited(find, "pelican") == ("guide/myst.html#my-target", "Mist", ["First steps"], 3)
    assert cited(find, "lynx")[0] == "guide/myst.html#uni-x"
    assert [cited(find, word)[0] for word in ("zebra", "giraffe", "walrus")] == [
        "guide/start.html#set-up",
        "guide/start.html#id1",
        "guide/start.html#rotate-keys",
    ]
    assert find("badger").citation.url == ""


def test_sphinx_with_the_builder_that_read_the_docs_uses(run: Run, write: Write, find: Find) -> None:
    write({**SPHINX, ".readthedocs.yaml": "sphinx: {builder: dirhtml, configuration: docs/conf.py}\n"})
    run()
    assert cited(find, "welcome")[0] == "#welcome"
    assert cited(find, "otter")[0] == "guide/keys/#keys"


def test_sphinx_configuration_is_never_executed(run: Run, write: Write, find: Find, tmp_path) -> None:
    mark = tmp_path / "executed"
    conf = f"open({str(mark)!r}, 'w')\nproject = 'Shop'\nhtml_file_suffix = '.htm'\nroot_doc = open('x')\n"
    write({**SPHINX, "docs/conf.py": conf})
    run()
    assert not mark.exists()
    assert cited(find, "otter")[0] == "guide/keys.htm#keys"


def test_docusaurus(run: Run, write: Write, find: Find) -> None:
    write(DOCUSAURUS)
    assert run().failed == ()
    assert cited(find, "patience") == ("manual/next/#intro", "Intro", None, 0)
    assert cited(find, "zebra") == ("manual/next/guides/keys#set-up", "Keys", ["How to"], 1)
    assert cited(find, "giraffe")[0] == "manual/next/guides/keys#set-up-1"
    assert cited(find, "walrus") == ("manual/next/more/#index", "Index", ["How to"], 3)
    assert cited(find, "otter")[0] == "manual/intro#intro"
    assert cited(find, "pelican")[0] == "manual/1.0/intro#intro"
    versions = [find(word).metadata["version"] for word in ("patience", "otter", "pelican")]
    assert versions == ["next", "2.0", "1.0"]


def test_docusaurus_without_sidebars_takes_folders_and_their_labels(run: Run, write: Write, find: Find) -> None:
    files = {path: text for path, text in DOCUSAURUS.items() if not path.startswith(("sidebars", "version"))}
    files["docusaurus.config.js"] = "module.exports = {presets: [['classic', {}]], trailingSlash: true};\n"
    files["docs/guides/keys-2.md"] = "---\nid: other\n---\n# Other\n\nThe badger.\n"
    write(files)
    run()
    assert cited(find, "walrus") == ("docs/more/#index", "Index", ["Even more"], 3)
    assert cited(find, "zebra") == ("docs/guides/keys/#set-up", "Keys", ["guides"], 1)
    assert cited(find, "badger")[0] == "docs/guides/other/#other"
    assert "version" not in find("zebra").metadata


def test_mdbook(run: Run, write: Write, find: Find) -> None:
    write(MDBOOK)
    assert run().failed == ()
    assert cited(find, "patience") == ("index.html#before-all", "Foreword", None, 0)
    assert cited(find, "zebra") == ("ch01.html#chapter", "Getting going", None, 1)
    assert cited(find, "giraffe") == ("keys.html#set-up", "Keys", ["Reference"], 3)
    assert cited(find, "walrus")[0] == "keys.html#set-up-1"
    assert find("badger").citation.url == ""


def test_a_folder_of_no_generator_is_addressed_by_its_paths(run: Run, write: Write, find: Find) -> None:
    write({"guide/first steps.md": "# Start\n\nThe walrus.\n"})
    run(base_url="https://shop.example/tree")
    assert find("walrus").citation.url == "https://shop.example/tree/guide/first%20steps.md#start"


def test_without_base_url_there_is_no_address_but_title_anchor_and_place(run: Run, write: Write, find: Find) -> None:
    write(MKDOCS)
    run(base_url="")
    hit = find("giraffe")
    assert (hit.citation.url, hit.citation.anchor, hit.metadata["position"]) == ("", "set-up_1", 3)


def test_a_single_file_is_addressed_by_its_name(run: Run, write: Write, find: Find) -> None:
    write({"keys.md": "The walrus.\n"})
    run("docs/keys.md")
    assert find("walrus").citation.url == "https://shop.example/keys.md"


def test_two_sites_lie_in_their_folders_below_the_address(run: Run, write: Write, find: Find) -> None:
    write({f"a/{path}": text for path, text in MKDOCS.items()})
    write({f"b/{path}": text for path, text in MDBOOK.items()})
    run()
    assert find("pelican").citation.url == "https://shop.example/a/price.txt"
    assert find("Foreword").citation.url.startswith("https://shop.example/b/index.html")


@pytest.mark.parametrize(
    "url", ["docs.example.com", "https://x.org/?q", "ftp://x.org/", "https:///a", "https://x.org/#a"]
)
def test_an_address_that_pages_cannot_lie_below_is_refused(run: Run, write: Write, url: str) -> None:
    write({"keys.md": "The walrus.\n"})
    with pytest.raises(ConfigurationError, match="no address"):
        run(base_url=url)
